"""What lists and pages read of a library, in a few questions to the database each."""
