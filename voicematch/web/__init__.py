"""The pages: speakers, appearances over time, episodes, lines, review; JSON beside every page; static export."""
