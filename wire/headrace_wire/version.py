"""The version of headrace, and of the protocol."""

#: The version of the distribution, which is read from here when it is built.
VERSION = "0.2.0"

#: Increased by one with every change to messages or methods that the other side would misread.
PROTOCOL = 6
