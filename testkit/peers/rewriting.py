"""Files with random rewrite scripts and error pages, for two proxies to read.

The same seed makes the same file. What is left out is what the two are known to
differ in, see `test_rewriting.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

LOCATIONS = 16

# Echoes what it is asked for; `/e500` fails.
ECHO = """
events {}
http {
    server {
        listen 127.0.0.1:{{port}};
        location / { return 200 "[$request_method $request_uri]"; }
        location /e500/ { return 500; }
    }
}
"""

FILE = """
events {}
http {
    map $uri $m { ~^/l1(.*)$ one-$1; ~b bee; default dee; }
    server {
        listen 127.0.0.1:{{port}};
        set $x "";
        set $y "";
        %(server)s
%(locations)s
        location /t/ { return 200 "T[$uri][$args][$1][$2][$x][$y][$n1][$request_method]"; }
        location ~ ^/n/(?<n1>.*)$ { return 200 $n1; }
        location /int/ { internal; return 200 "int $uri $args"; }
        location @n { return 200 "N[$uri][$args][$1][$x]"; }
        location @p { proxy_pass http://127.0.0.1:{{echo}}; }
        location / { return 404; }
    }
}
"""

TEXTS = ["a", "/b", "-", "?c=d", "&e", "=", "%26", "q"]
GROUPS = ["$1", "$2"]
VARIABLES = ["uri", "args", "x", "y", "request_uri", "arg_a", "is_args", "n1", "host", "request_method", "http_x"]
COMPARED = ["$uri", "$args", "$x", "$y", "$arg_a", "$m", "$request_method", "$http_x", "$n1"]
REGEXES = [
    "^/(.*)$",
    r"^/l\\d+/(.)(.*)$",
    "(a+)",
    r"^/l\\d+/(?<n1>[^/]*)",
    "/z",
    "^(.*)$",
    "(b)(c)?",
    "^/t/(.*)$",
    ".",
]
STATUSES = ["404", "403", "500 502 503", "400 401 405", "404 403"]
SHOWN = ["", "=", "=200", "=201"]
PAGES = ["/t/p", "/t/p?k=v", "@n", "@p", "http://h/e", "/t/$x", "/int/e"]


@dataclass
class Scripts:
    """A file of one seed."""

    seed: int
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def text(self) -> str:
        """The file."""
        server = self._step(nested=False) if self.random.random() < 0.3 else ""
        locations = "\n".join(f"        {self._location(number)}" for number in range(LOCATIONS))
        return FILE % {"server": server, "locations": locations}

    def _location(self, number: int) -> str:
        heads = [
            f"/l{number}/",
            f"/l{number}/",
            f"^~ /l{number}/",
            f"~ ^/l{number}/(.*)$",
            f"~* ^/L{number}/(?<n1>.)",
        ]
        head = self.random.choice(heads)
        steps = " ".join(self._step(nested=False) for _ in range(self.random.randint(0, 4)))
        handler = self._handler()
        if head.startswith("~"):
            # As nginx has it, such a location replaces nothing.
            handler = handler.replace("/pre/", "").replace("/e500/", "")
        return f"location {head} {{ {self._pages()} {steps} {handler} }}"

    def _handler(self) -> str:
        passes = ["{{echo}}/pre/", "{{echo}}/e500/", "1", "{{echo}}", "{{echo}}"]
        if self.random.random() < 0.2:
            return self._return()
        return f"proxy_pass http://127.0.0.1:{self.random.choice(passes)};"

    def _pages(self) -> str:
        pages = ""
        for _ in range(self.random.randint(0, 2)):
            target = self.random.choice([*PAGES, f"/l{self.random.randrange(LOCATIONS)}/e"])
            pages += f"error_page {self.random.choice(STATUSES)} {self.random.choice(SHOWN)} {target}; "
        if pages and self.random.random() < 0.3:
            pages += "recursive_error_pages on; "
        if pages and self.random.random() < 0.5:
            pages += "proxy_intercept_errors on;"
        return pages

    def _step(self, *, nested: bool) -> str:
        kind = self.random.randint(0, 9)
        if kind < 3:
            return f"set ${self.random.choice('xy')} {self._value()};"
        if kind == 3:
            return f"set $args {self._value()};"
        if kind < 7:
            flag = self.random.choice(["", "", "last", "break", "redirect", "permanent"])
            return f'rewrite "{self.random.choice(REGEXES)}" {self._replacement()} {flag};'
        if nested:
            return "break;"
        if kind == 7:
            steps = " ".join(self._step(nested=True) for _ in range(self.random.randint(1, 2)))
            return f"if {self._condition()} {{ {steps} }}"
        return f"if {self._condition()} {{ {self._return() if kind == 8 else 'break;'} }}"

    def _return(self) -> str:
        kind = self.random.randint(0, 4)
        if kind == 0:
            return f"return {self.random.choice([200, 404, 403, 410, 503])} {self._value()};"
        if kind == 1:
            return f"return {self.random.choice([301, 302, 303, 307, 308])} {self._value('/r')};"
        if kind == 2:
            return f"return {self.random.choice([400, 401, 403, 404, 405, 500, 503, 204, 200])};"
        if kind == 3:
            return f"return 302 {self._value('http://h/')};"
        return 'return 200 "[$uri][$args][$1][$2][$x][$y][$n1]";'

    def _condition(self) -> str:
        value = self.random.choice(COMPARED)
        kind = self.random.randint(0, 4)
        if kind == 0:
            return f"({value})"
        if kind == 1:
            return f'({value} {self.random.choice(["=", "!="])} "{self.random.choice(["a", "GET", "", "1"])}")'
        return f'({value} {self.random.choice(["~", "!~", "~*", "!~*"])} "{self.random.choice(REGEXES)}")'

    def _replacement(self) -> str:
        start = self.random.choice(
            ["/t/", f"/l{self.random.randrange(LOCATIONS)}/", "/", "/t/x?k=", "/t/$1?k=$2&", "/"]
        )
        return self._value(start, "?" if self.random.random() < 0.2 else "")

    def _value(self, start: str = "", end: str = "") -> str:
        """A text. A map may change the groups, so that the two don't stand in one."""
        pieces = [*TEXTS, *(f"${{{name}}}" for name in VARIABLES)]
        pieces += GROUPS if "$1" in start or self.random.random() < 0.7 else ["${m}"]
        return '"' + start + "".join(self.random.choices(pieces, k=self.random.randint(1, 3))) + end + '"'
