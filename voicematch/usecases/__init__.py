"""What a person asks of voicematch, a file each: every one reads as its algorithm."""
