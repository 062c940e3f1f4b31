"""From a planned arm to a patient's doses and to dates."""
