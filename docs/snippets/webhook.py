"""Stand for the service that a webhook calls: write down what it receives once."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open("alert.txt", "w") as file:
            file.write(f"{message['state']}: {message['text']}\n")
        self.send_response(204)
        self.end_headers()


HTTPServer(("127.0.0.1", 3009), Webhook).handle_request()
