//! Variables and rewriting.

use super::{in_http, in_location, in_server};

#[test]
fn maps() {
    let in_map = |pairs: &str, message: &str| in_http(&format!("map $uri $x {{ {pairs} }}"), message);
    in_http("map ^$a $b { }", "unknown \"a\" variable; did you mean \"$b\"?");
    const NAME: &str = "it begins with \"$\", letters, digits and _ follow";
    in_http("map $uri ^b { }", &format!("invalid variable name \"b\"; {NAME}"));
    in_http(
        "map $uri ^$request_uri { }",
        "the duplicate \"request_uri\" variable; this variable is built in: choose another name",
    );
    in_map("default 1; ^default 2;", "duplicate default map parameter");
    in_map("a 1; ^A 2;", "conflicting parameter \"A\"");
    const PAIR: &str = "a pair is a value and what the variable is then; text with spaces stands in quotes";
    for pair in ["^a;", "^a 1 2;", "^default;"] {
        in_map(pair, &format!("invalid number of the map parameters; {PAIR}"));
    }
    in_map("^a { b; }", "unexpected \"{\"; this block holds pairs, each ends in \";\"");
    in_map("^~(a 1;", "invalid regular expression \"(a\": missing closing parenthesis");
    in_map("hostnames; ^a* 1;", "invalid hostname or wildcard \"a*\"");
    in_map("a ^$zzz;", "unknown \"zzz\" variable");
    in_http(
        "map $a $first { } map $b ^$a { } map $a $b { }",
        "cycle while evaluating variable \"a\"; maps use each other in a circle",
    );
    in_http(
        "map $uri ^$a { b $a; }",
        "cycle while evaluating variable \"a\"; maps use each other in a circle",
    );
}

#[test]
fn addresses_and_shares() {
    let in_geo = |pairs: &str, message: &str| in_http(&format!("geo $x {{ {pairs} }}"), message);
    in_geo("^10.0.0.0/40 a;", "invalid network \"10.0.0.0/40\"");
    in_geo("^a;", "invalid number of the geo parameters");
    in_geo("^a 1 2;", "invalid number of the geo parameters");
    in_geo(
        "default 1; ^ranges;",
        "the \"ranges\" directive must be the first directive inside \"geo\" block",
    );
    in_geo("ranges; ^10.0.0.9-10.0.0.1 a;", "invalid range \"10.0.0.9-10.0.0.1\"");
    in_geo(
        "^proxy 10.0.0.1;",
        "\"proxy\" of a \"geo\" block is not in this version; addresses behind trusted proxies are \
         taken by \"set_real_ip_from\" in this version",
    );
    let in_split =
        |pairs: &str, message: &str| in_http(&format!("split_clients $uri $x {{ {pairs} }}"), message);
    const SHARE: &str = "a share has at most two places, as in 0.25%, or is \"*\" for the rest";
    for share in ["5", "a%", "0.123%", "1.%", "0%"] {
        in_split(&format!("^{share} a;"), &format!("invalid percent value \"{share}\"; {SHARE}"));
    }
    in_split("60% a; ^50% b;", "percent total is greater than 100%");
    in_split("* a; ^50% b;", "percent total is greater than 100%");
    in_split("0.01% a; ^42949672.95% b;", "percent total is greater than 100%");
    in_split("100% a; ^42949672.95% b;", "percent total is greater than 100%");
    in_split("^60%;", "invalid number of the split_clients parameters");
}

#[test]
fn rewriting() {
    const FLAG: &str = "the flag is last, break, redirect or permanent";
    in_server("rewrite a b ^c;", &format!("invalid parameter \"c\"; {FLAG}"));
    in_server("rewrite ^(a b;", "invalid regular expression \"(a\": missing closing parenthesis");
    in_server("rewrite a ^'';", "empty replacement");
    in_server("rewrite a ^$b;", "unknown \"b\" variable");
    in_server("set ^a b;", "invalid variable name \"a\"; it begins with \"$\", letters, digits and _ follow");
    in_server(
        "set ^$host b;",
        "the duplicate \"host\" variable; this variable is built in: choose another name",
    );
    in_http(
        "map $uri $m { } server { location ~ ^(?<m>.) { } }",
        "the duplicate \"m\" variable; a block defines it already: choose another name",
    );
    in_server(
        "location ~ ^(?<host>.) { }",
        "the duplicate \"host\" variable; this variable is built in: choose another name",
    );
    const PARENTHESES: &str = "a condition stands in parentheses";
    const FORMS: &str = "it is ($variable), ($variable = text), or with !=, ~, ~*, !~, !~* in the place of =";
    in_server("if ^$host { }", &format!("invalid condition \"$host\"; {PARENTHESES}"));
    in_server("if (^$host { }", &format!("invalid condition \"$host\"; {PARENTHESES}"));
    in_server("if ^() { }", &format!("invalid condition \"()\"; {PARENTHESES}"));
    in_server("if (^host) { }", &format!("invalid condition \"host\"; {FORMS}"));
    in_server("if (^$host = a b) { }", &format!("invalid condition \"$host\"; {FORMS}"));
    in_server(
        "if ($host ^== a) { }",
        "unexpected \"==\" in condition; there are =, !=, ~, ~*, !~ and !~*, with spaces around",
    );
    in_server("if ($host ~ ^(a) { }", "invalid regular expression \"(a\": missing closing parenthesis");
    in_server(
        "if (^!-f $request_filename) { }",
        "invalid condition \"!-f\"; files are not looked at in this version: remove the \"if\"",
    );
    const URI: &str = "\"proxy_pass\" cannot have URI part in location given by regular expression, or \
                       inside named location, or inside \"if\" statement, or inside \"limit_except\" block; \
                       remove what follows the address";
    in_location("if ($host) { proxy_pass ^http://127.0.0.1/; }", URI);
    in_server("location ~ a { proxy_pass ^http://127.0.0.1/; }", URI);
    in_server("location @a { proxy_pass ^http://127.0.0.1/; }", URI);
}
