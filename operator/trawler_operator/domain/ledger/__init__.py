"""The history of a Subscription: its entries, how they are stored, what of them is in memory."""
