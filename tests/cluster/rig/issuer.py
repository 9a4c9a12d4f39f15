#!/usr/bin/env python3
"""An OpenID Connect issuer: what an API server asks of one, and its ID tokens.

    issuer.py FOLDER USER SECONDS

is a credential plugin that gives one, and says that it ends EARLY seconds before it does:
what is sent just before that arrives late on a busy machine.
The folder is what rig.cluster.prepare() makes: each cluster has an issuer of its own,
whose users have the names that RBAC knows them by.  A stand-in takes the same tokens,
asks nobody, and checks no signature.
"""
import base64
import json
import secrets
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CLIENT = "porter"
EARLY = 5


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def url(folder):
    return (folder / "issuer.url").read_text()


def openssl(*args, **how):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, **how).stdout


def mint(folder, user, seconds, **claims):
    """An ID token that is good for so many seconds; no two are the same."""
    now = int(time.time())
    claims = {"iss": url(folder), "aud": CLIENT, "sub": user, "iat": now, "exp": now + seconds,
              "jti": secrets.token_hex(8), **claims}
    signed = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims))
    signature = openssl("dgst", "-sha256", "-sign", folder / "issuer.key", input=signed.encode())
    return f"{signed}.{base64url(signature)}"


def documents(folder):
    """What it answers to a GET of each path."""
    modulus = openssl("rsa", "-in", folder / "issuer.key", "-noout", "-modulus").decode().strip().partition("=")[2]
    key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "e": "AQAB", "n": base64url(bytes.fromhex(modulus))}
    return {"/keys": {"keys": [key]},
            "/.well-known/openid-configuration": {"issuer": url(folder), "jwks_uri": f"{url(folder)}/keys"}}


class Issuer:
    """One that answers, from a thread of this process, until stop()."""

    def __init__(self, folder):
        said = documents(folder)

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(said.get(self.path, {})).encode()
                self.send_response(200 if self.path in said else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self.server = ThreadingHTTPServer(("127.0.0.1", int(url(folder).rpartition(":")[2])), Answer)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def as_plugin(folder, user, seconds):
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds - EARLY))
    return {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": {"token": mint(folder, user, seconds), "expirationTimestamp": until}}


if __name__ == "__main__":
    print(json.dumps(as_plugin(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
