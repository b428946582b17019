"""``python -m voicematch`` is the command ``voicematch``, for machines where scripts are not on the path."""

from .cli import main

if __name__ == "__main__":
    main()
