"""Words and who says them: lines given to speakers, moved to another cut of the audio, or recognised."""
