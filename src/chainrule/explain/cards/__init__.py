"""Cards: what every operation, layer, loss, optimiser, schedule and initialiser is."""

from chainrule.explain.cards.deck import Card as Card
from chainrule.explain.cards.deck import card as card
from chainrule.explain.cards.deck import find as find
from chainrule.explain.cards.entries import Entry as Entry
from chainrule.explain.cards.entries import entries as entries
from chainrule.explain.cards.updates import Update as Update
from chainrule.explain.cards.updates import explain_update as explain_update
