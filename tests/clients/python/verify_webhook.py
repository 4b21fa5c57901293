"""Verifies a webhook as the reference library of Standard Webhooks does.

    verify_webhook.py SECRET < {"headers": {…}, "body": "…"}

Prints the message as JSON and exits 0; exits 1 when the signature does not hold.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    seen = json.load(sys.stdin)
    try:
        message = Webhook(sys.argv[1]).verify(seen["body"], seen["headers"])
    except WebhookVerificationError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(message))
    return 0


if __name__ == "__main__":
    sys.exit(main())
