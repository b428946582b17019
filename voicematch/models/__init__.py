"""The models: which there are, where their files lie, how they are run, and how better ones are fetched."""
