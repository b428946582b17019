"""A door for assistants: what the library knows, and on request what a person may say of it, over the Model Context
Protocol (https://modelcontextprotocol.io). ``answers`` asks the library, ``changes`` tells it, ``server`` speaks."""
