//! The text of `docs/guide/migrating.md`: what an operator of nginx should know.

use std::fmt::{self, Write as _};

use underpass_nginx_config::{Directive, DirectiveOutcome};

use super::deviations::{DEVIATIONS, Deviation};

/// The whole page.
pub(crate) fn markdown() -> String {
    let mut out = String::from(HEAD);
    // Writing to a string can't fail.
    let _ = write(&mut out);
    out
}

fn write(out: &mut String) -> fmt::Result {
    for Deviation { rule, what, why, switch } in DEVIATIONS {
        let switch = switch.map_or_else(|| "—".to_owned(), |switch| format!("`{switch}`"));
        writeln!(out, "| {rule} | {what} | {why} | {switch} |")?;
    }
    out.push_str(SILENT);
    let count = |wanted: fn(DirectiveOutcome) -> bool| {
        Directive::all().filter(|directive| wanted(directive.outcome())).count()
    };
    writeln!(out, "| obeyed | {} |", count(|outcome| outcome == DirectiveOutcome::Obeyed))?;
    writeln!(
        out,
        "| accepted, one note says why nothing comes of it | {} |",
        count(|outcome| matches!(outcome, DirectiveOutcome::Ignored(_)))
    )?;
    writeln!(
        out,
        "| a warning, and 501 with a log line where a request lands | {} |",
        count(|outcome| outcome == DirectiveOutcome::NotImplemented)
    )?;
    writeln!(
        out,
        "| an error of the file, which says what to do instead | {} |",
        count(|outcome| outcome == DirectiveOutcome::Refused)
    )?;
    out.push_str(FOOT);
    Ok(())
}

const HEAD: &str = "\
<!-- Generated: cargo run -p underpass-nginx-config --example migrating_md > docs/guide/migrating.md -->

# From nginx

1. `underpass -t -c nginx.conf` with the file that serves now. An error names file, line and column, and says how to fix it; a
   warning says what of a WebSocket recipe can't work or is dangerous, and what to write instead.
2. `underpass -T -c nginx.conf` shows the whole configuration, what is included in its place.
3. Start it beside nginx on another port, and compare. What differs byte for byte is in
   [differences.md](../evidence/differences.md), from tests that send the same bytes through both.
4. `-s reload`, `-s reopen`, `-s quit`, `-s stop` and the signals HUP, USR1, QUIT, TERM and INT are nginx's. A reload
   is parsed and bound first: any error leaves all as it was. Open tunnels stay.

## What is not as in nginx, and why

| Rule | What | Why | As in nginx |
|---|---|---|---|
";

const SILENT: &str = "
What single directives take or refuse unlike nginx is at the end of
[directives.md](directives.md#what-differs-from-nginx).

## Nothing is silently misread

Every directive of the file is one of these; [directives.md](directives.md) has them by name. Another name is an
error, in nginx's words.

| What becomes of it | Directives |
|---|---|
";

const FOOT: &str = "
## WebSockets

The two recipes of nginx's page work as they stand. What can be left out:

- `proxy_http_version 1.1` is the default.
- With the `map`, write `'' '';` instead of `'' close;`: connections to origin servers are then kept (32 for each group).
- `proxy_read_timeout` bounds a tunnel on which no byte moves in either direction; pings of the origin server or of the
  page keep it open.

A page of another site may open a WebSocket to yours with the cookies of your user: check `Origin`.

```nginx
map $http_origin $is_foreign { default 1; '' 0; https://chat.example.com 0; }
server {
    location /chat/ {
        if ($is_foreign) { return 403; }
        proxy_pass http://chat;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection \"upgrade\";
    }
}
```

A client behind a forward proxy needs `CONNECT`, which underpass can be, too:

```nginx
server {
    listen 3128;
    tunnel_pass;
    tunnel_allow *.example.com 443;
}
```
";
