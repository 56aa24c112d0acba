"""Decision trees and what is made of them: bags, forests, boosting."""
