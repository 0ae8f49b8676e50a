"""What runs inside of Autobahn's suite, under its Python 2.7: the echo server, and the client that plays the cases.

    autobahn_suite.py serve PORT FILE       echoes until it gets TERM, then writes into FILE how many Pings it got that
                                            may be the proxy's
    autobahn_suite.py play SPEC MESSAGES    the suite's `fuzzingclient`; its cases of compression send so many messages each
"""

from __future__ import print_function

import json
import sys

from autobahn.twisted.websocket import listenWS
from autobahn.websocket.protocol import WebSocketProtocol
from autobahntestsuite import wstest
from autobahntestsuite.case.case12_x_x import Case12_X_X, Case13_X_X
from autobahntestsuite.testee import TesteeServerFactory, TesteeServerProtocol
from twisted.internet import reactor

# A Ping of the proxy has so many bytes of payload; few of the suite's own have as many.
OURS = 12

# The suite's library is older than the registration of 1012, and would answer a Close with it as a violation.
WebSocketProtocol.CLOSE_STATUS_CODES_ALLOWED.append(1012)


class Echo(TesteeServerProtocol):
    """The suite's own, with permessage-deflate; it counts what may be Pings of the proxy, by the path of the request."""

    pings = {}

    def onPing(self, payload):
        if len(payload) == OURS:
            self.pings[self.http_request_path] = self.pings.get(self.http_request_path, 0) + 1
        TesteeServerProtocol.onPing(self, payload)


def serve(port, counts):
    factory = TesteeServerFactory("ws://127.0.0.1:" + port)
    factory.protocol = Echo
    # `Host` names the proxy.
    factory.externalPort = None
    listenWS(factory, interface="127.0.0.1", backlog=128)

    def write():
        with open(counts, "w") as file:
            json.dump(Echo.pings, file)

    reactor.addSystemEventTrigger("after", "shutdown", write)
    reactor.run()


def play(spec, messages):
    for case in Case12_X_X + Case13_X_X:
        case.COUNT = int(messages)
    sys.argv = ["wstest", "-m", "fuzzingclient", "-s", spec]
    wstest.run()


{"serve": serve, "play": play}[sys.argv[1]](*sys.argv[2:])
