"""Receive Frontline's webhooks and print each event that its secret has signed: `receive.py SECRET [PORT]`."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = Webhook(sys.argv[1]).verify(body, dict(self.headers))
        except WebhookVerificationError as wrong:
            self.send_error(400, str(wrong))
            return
        # In one piece, for requests are answered beside each other.
        print(f"{event['time']} {event['type']} {event['subject']} {event['subjectseq']}\n", end="", flush=True)
        self.send_response(204)
        self.end_headers()


if len(sys.argv) not in (2, 3):
    sys.exit("usage: python receive.py SECRET [PORT], with the secret that the endpoint was made with")
ThreadingHTTPServer(("127.0.0.1", int([*sys.argv, "9000"][2])), Receiver).serve_forever()
