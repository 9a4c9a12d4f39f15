"""What the stand-in has seen: connections, handshakes, requests.  Tests assert on it."""


class Counts:
    def __init__(self):
        self.accepted, self.refused = 0, 0
        self.open = dict.fromkeys(("new", "api", "watch", "tunnel"), 0)
        self.begun = self.finished = self.failed = self.now = self.most = 0
        self.requests = {}  # {kind: {status: how many}}; an answer that never came is "none"

    def opened(self, connection):
        self.accepted += 1
        self.open[connection.kind] += 1

    def closed(self, connection):
        self.open[connection.kind] -= 1

    def turned(self, connection, kind):
        if not connection.lost:
            self.open[connection.kind] -= 1
            self.open[kind] += 1

    def handshake_begun(self):
        self.begun += 1
        self.now += 1
        self.most = max(self.most, self.now)

    def handshake_ended(self, well):
        self.now -= 1
        self.finished += well
        self.failed += not well

    def answered(self, kind, status):
        by_status = self.requests.setdefault(kind, {})
        by_status[status] = by_status.get(status, 0) + 1

    def report(self):
        """most_at_once: since the last report."""
        most, self.most = self.most, self.now
        return {"accepted": self.accepted, "open": self.open,
                "handshakes": {"begun": self.begun, "finished": self.finished, "failed": self.failed,
                               "most_at_once": most},
                "requests": self.requests}
