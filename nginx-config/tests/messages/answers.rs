//! Answers, logs, who may.

use super::{expect, in_http, in_location, in_server};

#[test]
fn answers() {
    in_http("error_page ^200 /x;", "value \"200\" must be between 300 and 599");
    in_http(
        "error_page ^a /x;",
        "invalid value \"a\"; an error_page is codes, perhaps =CODE, and where they lead to",
    );
    in_http("error_page ^499 /x;", "invalid value \"499\"; its client has gone");
    for code in ["=x", "=0", "=101", "=600"] {
        in_http(
            &format!("error_page 404 ^{code} /x;"),
            &format!("invalid value \"{code}\"; the code is between 200 and 599"),
        );
    }
    in_http("error_page ^=404 /x;", "invalid value \"=404\"");
    in_http("error_page 404 ^/$x;", "unknown \"x\" variable");
    in_http(
        "add_header A b ^c;",
        "invalid parameter \"c\"; there is \"always\"; text with spaces stands in quotes",
    );
    in_http(
        "add_header ^'A:' b;",
        "invalid field name \"A:\"; a field name consists of letters, digits and !#$%&'*+-.^_`|~ only",
    );
    const EXPIRES: &str = "it takes a time from the request on, such as 1h or -1, epoch, max or off";
    in_http("expires ^x;", "\"expires\" directive invalid value");
    in_http("expires ^@15h;", &format!("a time of the day in \"expires\" is not in this version; {EXPIRES}"));
    in_http(
        "expires ^modified 1h;",
        &format!("\"modified\" in \"expires\" is not in this version; {EXPIRES}"),
    );
    in_http("expires ^$x;", &format!("a variable in \"expires\" is not in this version; {EXPIRES}"));
    in_http(
        "types { ^text/x; }",
        "invalid number of arguments in \"types\" directive; a pair is a type and its extensions",
    );
    in_http("resolver ^valid=x;", "invalid parameter: valid=x");
    in_http("^resolver 127.0.0.1 ipv4=off ipv6=off;", "\"ipv4\" and \"ipv6\" cannot both be \"off\"");
    in_http("^resolver valid=1s;", "no name servers defined");
    in_http(
        "resolver ^nowhere.test;",
        "host not found in resolver \"nowhere.test\"; the resolver says: unknown host",
    );
    in_http("set_real_ip_from ^10.0.0.0/40;", "invalid network \"10.0.0.0/40\"");
    in_http(
        "set_real_ip_from ^nowhere.test;",
        "host not found in set_real_ip_from \"nowhere.test\"; the resolver says: unknown host",
    );
    in_http("large_client_header_buffers ^0 8k;", "\"large_client_header_buffers\" directive invalid value");
    in_http("large_client_header_buffers 4 ^x;", "\"large_client_header_buffers\" directive invalid value");
    in_http(
        "large_client_header_buffers ^2 513m;",
        "\"large_client_header_buffers\" directive invalid value; the head of a request would be larger than 1g",
    );
    in_http(
        "large_client_header_buffers 4 ^1025m;",
        "\"large_client_header_buffers\" directive invalid value",
    );
    in_http("client_header_buffer_size ^1025m;", "\"client_header_buffer_size\" directive invalid value");
    in_location(
        "proxy_pass http://127.0.0.1; proxy_buffer_size ^0;",
        "\"proxy_buffer_size\" directive invalid value",
    );
    in_location(
        "proxy_pass http://127.0.0.1; proxy_buffer_size ^1025m;",
        "\"proxy_buffer_size\" directive invalid value",
    );
    expect(
        "^worker_cpu_affinity auto 1 10;",
        "invalid number of arguments in \"worker_cpu_affinity\" directive",
    );
    expect(
        "worker_cpu_affinity ^012;",
        "invalid character \"2\" in \"worker_cpu_affinity\"; a mask is written in binary, as 0101",
    );
}

#[test]
fn logs() {
    in_http("access_log a ^b;", "unknown log format \"b\"");
    in_http("access_log off ^b;", "invalid parameter \"b\"");
    in_http("access_log a combined ^buffer=x;", "invalid buffer size \"x\"");
    for size in ["1073741825", "900000g", "9223372036854775807"] {
        let message = format!("buffer size \"{size}\" is too large; 1g is the most");
        in_http(&format!("access_log a combined ^buffer={size};"), &message);
    }
    in_http("access_log a combined buffer=1k ^flush=0;", "invalid flush time \"0\"");
    for level in ["0", "10", "x"] {
        let text = format!("access_log a combined ^gzip={level};");
        in_http(&text, &format!("invalid compression level \"{level}\""));
    }
    in_http("access_log a combined ^x=0;", "invalid parameter \"x=0\"");
    in_http(
        "access_log ^a combined flush=1;",
        "no buffer is defined for access_log \"a\"; \"flush=\" needs \"buffer=\"",
    );
    in_http(
        "access_log a combined buffer=1k; access_log ^a combined buffer=2k;",
        "access_log \"/prefix/a\" already defined with conflicting parameters",
    );
    in_http("access_log ^memory:1m;", "logs to \"memory:\" are not in this version");
    expect("log_queue ^0;", "\"log_queue\" directive invalid value");
    in_http("access_log ^$host.log;", "variables in the name of a log file are not in this version");
    in_http("log_format a b; log_format ^a c;", "duplicate \"log_format\" name \"a\"");
    in_http("log_format ^combined c;", "duplicate \"log_format\" name \"combined\"");
    in_http(
        "log_format a ^escape=xml c;",
        "unknown log format escaping \"xml\"; it is default, json or none",
    );
    in_http("log_format a b\n ^$stats;", "unknown \"stats\" variable; did you mean \"$status\"?");
    const LEVELS: &str = "it is one of debug, info, notice, warn, error, crit, alert, emerg";
    expect("error_log a ^loud;", &format!("invalid log level \"loud\"; {LEVELS}"));
    expect(
        "error_log a warn ^info;",
        "duplicate log level \"info\"; one level is enough: more serious events are included",
    );
}

#[test]
fn syslog() {
    for (parameters, message) in [
        ("", "unknown syslog parameter \"\""),
        ("facility=local0", "no syslog server specified"),
        ("server=127.0.0.1,server=127.0.0.1", "duplicate syslog \"server\""),
        ("server=127.0.0.1,facility=kern,facility=kern", "duplicate syslog \"facility\""),
        ("server=127.0.0.1,facility=local8", "unknown syslog facility \"local8\""),
        ("server=127.0.0.1,severity=info,severity=info", "duplicate syslog \"severity\""),
        ("server=127.0.0.1,severity=err", "unknown syslog severity \"err\""),
        ("server=127.0.0.1,tag=a,tag=b", "duplicate syslog \"tag\""),
        ("server=127.0.0.1,tag=a-b", "syslog \"tag\" only allows alphanumeric characters and underscore"),
        ("server=127.0.0.1,tag=abcdefghijabcdefghijabcdefghijabc", "syslog tag length exceeds 32"),
        ("server=127.0.0.1,hostname", "unknown syslog parameter \"hostname\""),
        ("server=127.0.0.1:x", "invalid port in syslog server \"127.0.0.1:x\""),
        ("server=127.0.0.1:0", "invalid port in syslog server \"127.0.0.1:0\""),
        ("server=", "no host in syslog server \"\""),
        ("server=[::x]", "invalid IPv6 address in syslog server \"[::x]\""),
        ("server=unix:", "no path in the unix domain socket in syslog server \"unix:\""),
    ] {
        in_http(&format!("access_log ^syslog:{parameters};"), message);
        expect(&format!("error_log ^syslog:{parameters};"), message);
    }
    in_http("access_log ^syslog:server=127.0.0.1 combined buffer=1k;", "logs to syslog cannot be buffered");
}

#[test]
fn access() {
    in_http(
        "allow ^example.com;",
        "invalid parameter \"example.com\"; it is an address, a network, all or unix:",
    );
    in_server(
        "auth_basic ^a;",
        "\"auth_basic\" without \"auth_basic_user_file\"; name a file of users, or say auth_basic off",
    );
    in_server(
        "auth_basic a; auth_basic_user_file ^$host;",
        "variables in \"auth_basic_user_file\" are not in this version",
    );
    for text in [
        "limit_conn_zone $uri zone=a:1m; limit_conn a 1; ^limit_conn a 2;",
        "limit_req_zone $uri zone=a:1m rate=1r/s; limit_req zone=a burst=3; ^limit_req zone=a;",
    ] {
        let name = text.split('_').nth(1).expect("a name");
        in_http(&format!("{text} server {{ }}"), &format!("\"limit_{name}\" directive is duplicate"));
    }
    in_http(
        "limit_conn_zone $uri zone=a:1m; server { limit_conn a ^65536; }",
        "connection limit must be less 65536",
    );
    in_http("^limit_conn_zone $uri zone=:1m;", "\"limit_conn_zone\" must have \"zone\" parameter");
    in_http(
        "^limit_req_zone $uri zone=a:1m;",
        "invalid number of arguments in \"limit_req_zone\" directive; it is written limit_req_zone text \
         zone=name:size rate=numberr/s | numberr/m;",
    );
    in_http("limit_conn_status ^399;", "value must be between 400 and 599");
    in_http("limit_req_status ^600;", "value must be between 400 and 599");
    in_server(
        "limit_conn ^a 5;",
        "zero size shared memory zone \"a\"; a \"limit_conn_zone\" outside of the servers makes one",
    );
}
