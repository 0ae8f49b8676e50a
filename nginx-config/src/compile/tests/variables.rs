//! Variables that a file defines.

use super::*;

#[test]
fn variables_of_addresses_and_shares() {
    let site = site(
        "geo $net { default out; 10.0.0.0/8 in; 10.1.0.0/16 $not_a_variable; 192.0.2.1 one; delete 10.1.0.0/16; }
         geo $http_x_real_ip $by_range { ranges; default 0; 10.0.0.1-10.0.0.9 1; }
         split_clients \"${remote_addr}$net\" $part { 0.5% a; 20% b; * c; }
         map $http_x $http_connection_upgrade { ~^a(?<inner>.)$ \"<$inner$1>\"; ~*B b; default $part; }
         server { location / { return 200 $http_connection_upgrade$net$by_range; } }",
    );
    let shown: Vec<_> = site.maps.iter().map(|map| format!("{map:?}")).collect();
    assert!(shown[0].contains("RemoteAddr") && !shown[0].contains("10.1"), "{}", shown[0]);
    assert!(shown[1].contains("10.0.0.10: None") && shown[1].contains("x-real-ip"), "{}", shown[1]);
    assert!(shown[2].contains("Map(MapId(0))") && shown[2].contains("(None, "), "{}", shown[2]);
    assert!(shown[3].contains("Map(MapId(2))") && shown[3].contains("SetId(0)"), "{}", shown[3]);
    let text = answer(site.location("/")).text.as_ref().expect("a text");
    let used: Vec<_> = text.variables().map(|variable| format!("{variable:?}")).collect();
    assert_eq!(used, ["Map(MapId(3))", "Map(MapId(0))", "Map(MapId(1))"]);
    assert_eq!(site.notes, [""; 0]);
}

#[test]
fn expressions_that_need_the_other_engine_are_noted() {
    let site = site("server { location ~ ^/(?!api) { return 200; } }");
    assert_eq!(
        site.notes,
        [
            "the regular expression \"^/(?!api)\" has look-ahead: it runs in a slower engine, and does not match \
          when that takes too many steps in f:2:21"
        ]
    );
}
#[test]
fn maps_use_each_other_in_any_order() {
    let site = site(
        "server { location / { return 200 $second; } }
         map $first$Host $seconD { a $http_x; \\default 2; \\~tilde 3; }
         map $uri $first { hostnames; volatile; default '<$request_id>'; *.test 1; .both 2; end.* 3; plain 4; }",
    );
    let map = format!("{:?}", site.maps[0]);
    for part in
        ["Variable(Map(MapId(1)))", "Http(\"x\")", "default: None", "hostnames: false, volatile: false"]
    {
        assert!(map.contains(part), "{part} in {map}");
    }
    let map = format!("{:?}", site.maps[1]);
    assert!(map.contains("hostnames: true, volatile: true"), "{map}");
    assert_eq!(answer(site.location("/")).text.as_ref().map(Template::source), Some("$second"));
}

#[test]
fn of_two_maps_for_a_variable_the_last_holds() {
    let site = site(
        "map $uri $x { default 1; }
         map $uri $x { default 2; }
         server { location / { return 200 $x; } }",
    );
    let text = answer(site.location("/")).text.as_ref().expect("a text");
    assert_eq!(format!("{:?}", text.variables().collect::<Vec<_>>()), "[Map(MapId(1))]");
    assert_eq!(site.notes, ["\"$x\" is defined before: this block holds in f:3:19"]);
}
