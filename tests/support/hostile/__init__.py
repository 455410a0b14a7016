"""Peers that mean ill, each a function that does so until it is told to stop.

    strangers.py   without a key          prober.py   one who means well, and measures
    holders.py     with a key             siege.py    the cluster, its honest job, and what is noted

``python -m support.hostile NAME...`` runs some of them in a process of their own.
"""
