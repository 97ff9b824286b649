"""Ask the service in this container how it is: exit 0 if well, else 1."""

import os
import sys
from http.client import HTTPConnection

connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8080")), timeout=4)
try:
    connection.request("GET", "/health")
    response = connection.getresponse()
    print(response.read().decode().strip())
except OSError as reason:
    sys.exit(f"no answer: {reason}")
sys.exit(0 if response.status == 200 else 1)  # noqa: PLR2004 - 200 needs no name
