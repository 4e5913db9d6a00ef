"""Has each request of schemathesis come from an address of its own.

An address that comes with twenty wrong tokens a minute is not listened to any more (N11), and wrong tokens are what
`ignored_auth` tries. The whole of 127.0.0.0/8 is this machine.
"""

import random

import urllib3.connection

plain = urllib3.connection.HTTPConnection._new_conn


def from_anywhere(connection):
    connection.source_address = (f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}", 0)
    return plain(connection)


urllib3.connection.HTTPConnection._new_conn = from_anywhere
