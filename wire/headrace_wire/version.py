"""Which protocol this side speaks, and which headrace it belongs to."""

#: The version of the distribution, which is built with what stands here.
VERSION = "0.2.0"

#: Raised by one with every change to messages or methods that the other side would misread.
PROTOCOL = 6
