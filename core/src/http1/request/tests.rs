use super::{super::Field, *};

fn parse(head: &str) -> Result<Request, Violation> {
    let mut request = Request::default();
    let mut scanned = Scan::default();
    match request.parse(head.as_bytes(), &mut scanned, &Settings::default())? {
        Parsed::Complete(length) => assert_eq!(length, head.len()),
        Parsed::Partial => panic!("{head:?} is complete"),
    }
    Ok(request)
}

#[test]
fn an_ordinary_head() {
    let request = parse("GET /a/../b?c=d HTTP/1.1\r\nHost: Example.COM:8080\r\nX: y\r\n\r\n").expect("valid");
    assert_eq!(request.method(), b"GET");
    assert_eq!(request.origin_target(), b"/a/../b?c=d");
    assert_eq!(request.path(), b"/b");
    assert_eq!(request.query(), Some(b"c=d".as_slice()));
    assert_eq!(request.host(), b"example.com");
    assert_eq!(request.authority(), b"Example.COM:8080");
    assert_eq!(request.port(), Some(b"8080".as_slice()));
    assert_eq!(request.line(), b"GET /a/../b?c=d HTTP/1.1");
}

#[test]
fn absolute_form_overrides_host() {
    let request = parse("GET http://A.example:81/x?y HTTP/1.1\r\nHost: b\r\n\r\n").expect("valid");
    assert_eq!(request.origin_target(), b"/x?y");
    assert_eq!((request.host(), request.authority()), (b"a.example".as_slice(), b"A.example:81".as_slice()));
    assert_eq!(parse("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n").expect("valid").origin_target(), b"*");
    assert_eq!(parse("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").expect("valid").origin_target(), b"/");
    let query_alone = parse("OPTIONS http://a.?q=1 HTTP/1.1\r\nHost: a\r\n\r\n").expect("valid");
    assert_eq!((query_alone.origin_target(), query_alone.path()), (b"/?q=1".as_slice(), b"/".as_slice()));
    assert_eq!((query_alone.host(), query_alone.query()), (b"a".as_slice(), Some(b"q=1".as_slice())));
}

#[test]
fn refusals() {
    use Violation::{
        BadFieldName, BadHost, BadMethod, BadRequestLine, BadTarget, BadVersion, BareCr, ControlByte,
        MissingHost, ObsFold, SeveralHosts, UnsupportedVersion,
    };
    for (head, violation) in [
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
        ("GET /\r\nHost: a\r\n\r\n", BadRequestLine),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", BadRequestLine),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", BadMethod),
        ("GET /\tx HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", BadVersion),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", BadVersion),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", UnsupportedVersion),
        ("GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        ("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", BadTarget),
        ("GET / HTTP/1.1\r\n\r\n", MissingHost),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", SeveralHosts),
        ("GET / HTTP/1.1\r\nHost: \r\n\r\n", BadHost),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", BadHost),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", ObsFold),
        ("GET / HTTP/1.1\r\nHost: a\r\nA@: b\r\n\r\n", BadFieldName),
        ("GET / HTTP/1.1\rX\r\nHost: a\r\n\r\n", BareCr),
        ("GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n", ControlByte),
        ("\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequestLine),
    ] {
        assert_eq!(parse(head).err(), Some(violation), "{head:?}");
    }
}

#[test]
fn sizes_are_limited_in_every_cut() {
    let settings = Settings {
        client_header_start: 0,
        client_header_line: 40,
        client_header_size: 70,
        ..Settings::default()
    };
    for (target, field, expected) in [
        ("/", "X: y".to_owned(), Ok(())),
        ("/", format!("X: {}", "y".repeat(35)), Ok(())),
        ("/", format!("X: {}", "y".repeat(36)), Err(Violation::HeadTooLarge)),
        ("/123456789012345", format!("X: {}", "y".repeat(23)), Ok(())),
        ("/123456789012345", format!("X: {}", "y".repeat(24)), Err(Violation::HeadTooLarge)),
        ("/123456789012345678901234", "X: y".to_owned(), Ok(())),
        ("/123456789012345", format!("X: {}", "y".repeat(28)), Err(Violation::HeadTooLarge)),
        ("/12345678901234567890123456", "X: y".to_owned(), Err(Violation::TargetTooLong)),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\n{field}\r\nHost: a\r\n\r\n");
        let mut scanned = Scan::default();
        let mut parse = |length| {
            let parsed = Request::default().parse(&head.as_bytes()[..length], &mut scanned, &settings);
            parsed.map(|_| ())
        };
        let in_pieces = (1..=head.len()).try_for_each(&mut parse);
        let mut scanned = Scan::default();
        let at_once = Request::default().parse(head.as_bytes(), &mut scanned, &settings).map(|_| ());
        assert_eq!((in_pieces, at_once), (expected, expected), "{head}");
    }
}

/// nginx's `client_header_buffer_size`: its first buffer takes longer lines than the large ones.
#[test]
fn lines_of_any_length_stand_at_the_start_in_every_cut() {
    let settings = Settings {
        client_header_start: 60,
        client_header_line: 20,
        client_header_size: 20,
        ..Settings::default()
    };
    let host = || "Host: a\r\n".to_owned();
    for (path, lines, expected) in [
        (44, String::new(), Err(Violation::MissingHost)),
        (45, String::new(), Err(Violation::TargetTooLong)),
        (29, host(), Ok(())),
        (0, host() + "X: " + &"y".repeat(30) + "\r\n", Ok(())),
        (0, host() + "X: " + &"y".repeat(31) + "\r\n", Err(Violation::HeadTooLarge)),
        (0, host() + "X: " + &"y".repeat(20) + "\r\nZ: " + &"y".repeat(15) + "\r\n", Ok(())),
        (
            0,
            host() + "X: " + &"y".repeat(20) + "\r\nZ: " + &"y".repeat(16) + "\r\n",
            Err(Violation::HeadTooLarge),
        ),
    ] {
        let head = format!("GET /{} HTTP/1.1\r\n{lines}\r\n", "x".repeat(path));
        let mut scanned = Scan::default();
        let mut request = Request::default();
        let mut parse =
            |length| request.parse(&head.as_bytes()[..length], &mut scanned, &settings).map(|_| ());
        let in_pieces = (1..=head.len()).try_for_each(&mut parse);
        let at_once = Request::default().parse(head.as_bytes(), &mut Scan::default(), &settings).map(|_| ());
        assert_eq!((in_pieces, at_once), (expected, expected), "{head}");
    }
}

#[test]
fn leniencies() {
    assert!(parse("\r\n\nGET / HTTP/1.1\nHost: a\n\n").is_ok());
    assert!(
        parse("GET / HTTP/1.7\r\nHost: a\r\n\r\n").is_ok_and(|request| request.version == Version::Http11)
    );
    assert!(parse("GET / HTTP/1.0\r\n\r\n").is_ok());
    let strict = Settings { allow_bare_lf: false, ..Settings::default() };
    let mut scanned = Scan::default();
    let refused = Request::default().parse(b"GET / HTTP/1.1\nHost: a\r\n\r\n", &mut scanned, &strict);
    assert_eq!(refused, Err(Violation::BareLf));
    let refused = Request::default().parse(b"GET / HTTP/1.1\r\nHost: a\n\r\n", &mut Scan::default(), &strict);
    assert_eq!(refused, Err(Violation::BareLf));
    let accepted =
        Request::default().parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut Scan::default(), &strict);
    assert!(matches!(accepted, Ok(Parsed::Complete(_))));
}

#[test]
fn what_no_line_can_begin_with_is_refused_at_once() {
    let parse = |bytes: &[u8]| Request::default().parse(bytes, &mut Scan::default(), &Settings::default());
    assert_eq!(parse(b"\r\n\r"), Ok(Parsed::Partial), "an empty line may be on its way");
    assert_eq!(parse(b"\r\n\rG"), Err(Violation::BareCr));
}

/// What is in a head, and where it ends, is the same whether it comes whole or some of it was there before.
#[test]
fn a_head_that_comes_whole_is_read_as_one_that_has_begun() {
    let many = |lines: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(lines - 1));
    let (long, few, more) =
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(900)), many(24), many(25));
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: b\nC: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: b\n\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:a\r\nA:  b \t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\r\n\r\n",
        "G T / HTTP/1.1\r\nHost: a\r\n\r\n",
        &long,
        &few,
        &more,
    ] {
        for settings in [
            Settings::default(),
            Settings { allow_bare_lf: false, ..Settings::default() },
            Settings { max_headers: 2, ..Settings::default() },
            Settings { max_headers: 1, ..Settings::default() },
            Settings { client_header_start: 64, client_header_line: 256, ..Settings::default() },
        ] {
            let parsed = |mut scan: Scan| {
                let mut request = Request::default();
                let parsed = request.parse(head.as_bytes(), &mut scan, &settings);
                let pairs: Vec<_> =
                    request.fields.pairs().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                let written: Vec<_> = request.fields.iter().map(Field::as_written).collect();
                (parsed, request.line().to_vec(), request.path().to_vec(), pairs, written)
            };
            let mut begun = Scan::default();
            assert_eq!(head_end(&head.as_bytes()[..1], &mut begun), None);
            assert_eq!(parsed(Scan::default()), parsed(begun), "{head:?}");
        }
    }
}
