"""Floor 7: the public contracts of operations and modules."""

from chainrule.testing.check_module import check_module as check_module
from chainrule.testing.check_op import check_op as check_op
from chainrule.testing.report import CheckFailure as CheckFailure
from chainrule.testing.sampling import Sample as Sample
from chainrule.testing.sampling import samples_of as samples_of
