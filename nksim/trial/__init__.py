"""Dose escalation: designs and their decision tables, what they find and how often, how long they take."""
