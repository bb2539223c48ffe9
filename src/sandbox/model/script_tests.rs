//! Messages and the scripts they get.

use serde_json::{Value, json};

use super::*;

fn asks(text: &str) -> Script {
    Script::for_request(&[ChatMessage::user(text)], &[])
}

fn tools() -> Vec<Offered> {
    let convert = json!({"properties": {"value": {}, "from": {}, "to": {}, "ingredient": {}}});
    let time = json!({"properties": {"timezone": {}}});
    vec![
        Offered { name: "convert_units".into(), parameters: convert },
        Offered { name: "get_current_time".into(), parameters: time },
    ]
}

fn reply(script: &Script) -> Reply {
    match script.whole() {
        Whole::Reply(reply) => reply,
        other => panic!("no reply: {other:?}"),
    }
}

fn ending(script: &Script) -> &Step {
    &script.steps.last().expect("a script has an end").1
}

#[test]
fn a_plain_question_gets_a_cooks_answer_at_the_usual_pace() {
    let script = asks("How do I make an omelette?");
    let answer = reply(&script);
    assert!(answer.content.starts_with("## A soft omelette"));
    assert_eq!(answer.finish_reason.as_deref(), Some("stop"));
    assert_eq!((script.first_ms, script.steps[0].0, script.steps[1].0), (400, 0, 30));
    assert_eq!(script, asks("How do I make an omelette?"));
}

#[test]
fn directives_shape_time_and_length() {
    let script = asks("bread #first=8000 #gap=42 #chars=1385 #delta=5");
    assert_eq!(reply(&script).content.chars().count(), 1385);
    assert_eq!(script.steps.len(), 277 + 1);
    assert_eq!((script.first_ms, script.steps[1].0), (8000, 42));
    let five = |(_, step): &(u64, Step)| matches!(step, Step::Delta(text) if text.chars().count() == 5);
    assert!(script.steps[..277].iter().all(five));
}

#[test]
fn what_is_to_be_said_is_said() {
    assert_eq!(reply(&asks("#say=Exactly this. 👩‍🍳")).content, "Exactly this. 👩‍🍳");
    assert_eq!(reply(&asks("soup #empty")).content, "");
}

#[test]
fn an_answer_can_end_badly() {
    assert_eq!(ending(&asks("x #hang")), &Step::Hang);
    assert_eq!(ending(&asks("x #garbage")), &Step::Garbage);
    for (name, status) in
        [("500", 500), ("429", 429), ("401", 401), ("400", 400), ("context", 400), ("x", 500)]
    {
        let script = asks(&format!("x #fail={name}"));
        let [(0, Step::Error(failure))] = script.steps.as_slice() else { panic!("{script:?}") };
        assert_eq!(failure.status, status);
    }
}

#[test]
fn it_can_also_end_badly_half_way() {
    let broken = asks("x #chars=900 #break=200");
    let shown: usize = broken
        .steps
        .iter()
        .map(|(_, step)| match step {
            Step::Delta(text) => text.chars().count(),
            _ => 0,
        })
        .sum();
    assert_eq!((shown, ending(&broken), broken.whole()), (200, &Step::Break, Whole::Broken));
    assert!(matches!(ending(&asks("x #break=9 #fail=500")), Step::Error(_)));
    assert_eq!(ending(&asks("x #break=9 #hang")), &Step::Hang);
}

#[test]
fn a_cup_of_flour_is_converted_and_the_result_is_used() {
    let question = ChatMessage::user("How many grams is a cup of flour?");
    let script = Script::for_request(std::slice::from_ref(&question), &tools());
    let asked = reply(&script);
    assert_eq!((asked.content.as_str(), asked.finish_reason.as_deref()), ("", Some("tool_calls")));
    let [call] = asked.tool_calls.as_slice() else { panic!("{asked:?}") };
    assert_eq!(call.function.name, "convert_units");
    let arguments: Value = serde_json::from_str(&call.function.arguments).expect("JSON");
    assert_eq!(arguments, json!({"value": 1, "from": "cup", "to": "g", "ingredient": "flour"}));
    assert!(script.steps.len() > 5, "the arguments come in fragments");

    let request =
        ChatMessage { tool_calls: asked.tool_calls.clone(), content: None, ..ChatMessage::assistant("") };
    let result = ChatMessage::tool(call.id.clone(), "1 cup of flour = 125 g");
    let answer = reply(&Script::for_request(&[question, request, result], &tools()));
    assert!(answer.content.starts_with("A cup of flour weighs about 125 g."), "{}", answer.content);
}

#[test]
fn rounds_and_parallel_calls_are_counted() {
    let question = ChatMessage::user("x #tool=2 #tools=3 #say=done");
    let mut messages = vec![question];
    for round in 0..2 {
        let asked = reply(&Script::for_request(&messages, &tools()));
        assert_eq!(asked.tool_calls.len(), 3, "round {round}");
        let ids: std::collections::BTreeSet<_> = asked.tool_calls.iter().map(|call| &call.id).collect();
        assert_eq!(ids.len(), 3);
        messages.push(ChatMessage { tool_calls: asked.tool_calls.clone(), ..ChatMessage::assistant("") });
        messages.extend(asked.tool_calls.iter().map(|call| ChatMessage::tool(call.id.clone(), "ok")));
    }
    assert_eq!(reply(&Script::for_request(&messages, &tools())).content, "done");
    assert_eq!(reply(&Script::for_request(&messages[..1], &[])).content, "done");
}

#[test]
fn only_the_last_question_counts() {
    let old = ChatMessage::user("old #fail=500");
    let messages = [old, ChatMessage::assistant("sorry"), ChatMessage::user("What time is it in Tokyo?")];
    let asked = reply(&Script::for_request(&messages, &tools()));
    assert_eq!(asked.tool_calls[0].function.arguments, r#"{"timezone":"Asia/Tokyo"}"#);
}
