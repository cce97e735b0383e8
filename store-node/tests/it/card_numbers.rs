//! No card's number gets in by any text of any route, and none is repeated or written.

use std::fs;

use serde_json::{Map, Value, json};

use crate::matrix::writes;
use crate::support::http::Request;
use crate::support::menu::ESPRESSO;
use crate::support::node::{TestNode, ticket};

/// What somebody types where it does not belong.
const PLANTED: &str = "ask 4111 1111 1111 1111";

/// Writes that take no body.
const BODILESS: &[(&str, &str)] = &[
    ("DELETE", "/v1/sign-ins/current"),
    ("DELETE", "/v1/terminals/{name}"),
    ("POST", "/v1/card-payments/{id}/reversal"),
];

/// A body that says everything that a schema lets it say.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return sample(document, document.pointer(name.trim_start_matches('#')).unwrap());
    }
    for choice in ["oneOf", "allOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let said = choices.iter().find(|choice| choice["type"] != "null").unwrap();
            return sample(document, said);
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap().as_str().unwrap(),
        kind => kind.as_str().unwrap_or_else(|| panic!("no type in {schema}")),
    };
    match kind {
        "object" => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), sample(document, field))).collect::<Map<_, _>>().into()
        }
        "array" => json!([sample(document, &schema["items"])]),
        "string" => json!("x"),
        "integer" => json!(1),
        "boolean" => json!(true),
        other => panic!("the test does not know how to say {other}"),
    }
}

/// Where texts stand in a body.
fn texts(value: &Value, place: &str, into: &mut Vec<String>) {
    match value {
        Value::String(_) => into.push(place.to_owned()),
        Value::Array(list) => list.iter().enumerate().for_each(|(at, one)| texts(one, &format!("{place}/{at}"), into)),
        Value::Object(map) => map.iter().for_each(|(name, one)| texts(one, &format!("{place}/{name}"), into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[tokio::test]
async fn a_card_number_is_refused_in_every_text_of_every_route_and_stands_nowhere_afterwards() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let document = till.ask_openly("/openapi.json").await.ok();
    let mut planted = Vec::new();
    for (number, (verb, route)) in writes().enumerate() {
        let method = verb.to_ascii_lowercase();
        let described = &document["paths"][route][&method];
        let schema = &described["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert!(BODILESS.contains(&(verb, route)), "{} {} takes a body that is not described", verb, route);
            continue;
        }
        let path = route.replace("{id}", "0190b2c4-7e5d-7c3a-9f00-0123456789ab");
        let whole = sample(&document, schema);
        let mut places = Vec::new();
        texts(&whole, "", &mut places);
        // Of what nobody has described a text is refused, too.
        let (mut added, undescribed) = (whole.clone(), "/some_day".to_owned());
        added["some_day"] = json!("x");
        for (body, place) in places.iter().map(|place| (&whole, place)).chain([(&added, &undescribed)]) {
            let mut body = body.clone();
            *body.pointer_mut(place).unwrap() = json!(PLANTED);
            let key = format!("pan-{number}-{:-<40}", planted.len());
            let request = Request::new(verb, &path).header("idempotency-key", &key).json(&body);
            let answer = till.send(request).await;
            assert_eq!(answer.refusal(), (422, "card_number_refused".to_owned()), "{} {place}: {body}", route);
            assert_eq!(answer.json()["errors"][0]["pointer"], *place, "{}", route);
            assert!(!answer.text.contains("4111"), "it is not repeated: {}", answer.text);
            planted.push(format!("{} {place}", route));
        }
    }
    for known in [
        "/v1/tickets /exempt_reason",
        "/v1/tickets/{id}/refunds /tenders/0/reference",
        "/v1/imports/baskets /baskets/0/lines/0/name",
        "/v1/drawers /terminal",
        "/v1/sign-ins /badge",
        "/v1/approvals /reason",
        "/v1/open-tickets /name",
        "/v1/open-tickets/{id}/moves /note",
        "/v1/terminals/pairings /name",
        "/v1/pairings/redemptions /device",
    ] {
        assert!(planted.iter().any(|place| place == known), "{known} is none of {planted:?}");
    }
    node.stop().await;
    for file in
        fs::read_dir(&node.config.data).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = fs::read(&file).unwrap();
        let digits = |digits: &[u8]| bytes.windows(digits.len()).any(|window| window == digits);
        assert!(!digits(b"4111 1111") && !digits(b"4111111111111111"), "{} has it", file.display());
    }
}

#[tokio::test]
async fn a_card_number_in_other_digits_is_refused_and_no_refusal_repeats_a_number() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    for zero in ['\u{ff10}', '\u{660}', '\u{1d7ce}'] {
        let digit = |digit: u8| char::from_u32(u32::from(zero) + u32::from(digit - b'0')).unwrap();
        let reason: String = "4111111111111111".bytes().map(digit).collect();
        let mut body = ticket("T1", &[(ESPRESSO, 1)]);
        body["discounts"] = json!([{"amount_minor": 1, "reason": reason}]);
        let answer = till.sell("other-digits", &body).await;
        assert_eq!(answer.refusal(), (422, "card_number_refused".to_owned()), "{reason}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/discounts/0/reason");
    }
    let asked = async |path: &str, body: &str| {
        let request = Request::new("POST", path).header("idempotency-key", "number");
        till.send(request.header("content-type", "application/json").body(body)).await
    };
    for number in ["4111111111111111", "-4111111111111111", "4111111111111111.5", "4.111111111111111e15"] {
        for (path, body) in [
            ("/v1/tickets", format!(r#"{{"tip_minor":{number}}}"#)),
            ("/v1/tickets", format!(r#"{{"tenders":[{{"kind":"cash","amount_minor":{number}}}]}}"#)),
            ("/v1/kitchen/0190b2c4-7e5d-7c3a-9f00-0123456789ab/bump", format!(r#"{{"turn":{number}}}"#)),
            ("/v1/prints/1/retry", format!(r#"{{"some":{number}}}"#)),
        ] {
            let answer = asked(path, &body).await;
            assert!(answer.status == 422 && !answer.text.contains("1111"), "{path} {body}: {answer:?}");
        }
    }
    node.stop().await;
}
