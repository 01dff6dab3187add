"""Call an HTTPS API twice with the token in $API_TOKEN: JSON of the answers."""

import json
import os
import urllib.request

URL = "https://api.demo.test/v1/today"


def call():
    request = urllib.request.Request(URL, headers={
        "Authorization": "Bearer " + os.environ["API_TOKEN"]})
    with urllib.request.urlopen(request, timeout=20) as r:
        return [r.status, r.read().decode()]


if __name__ == "__main__":
    print(json.dumps({"token": os.environ["API_TOKEN"],
                      "answers": [call(), call()]}))
