"""Voices as numbers, pure values in and out: how like they are, which name follows, and what is made of that."""
