//! Requests, scenario by scenario: each call that the official SDKs made is made by our client, and
//! what it sends is compared with what they sent: method, path, headers that servers look at, body.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rewardspec::e2b::{
    Client, Error, ErrorKind, ExecuteOptions, ListQuery, NewProcess, NewSandbox, State,
};
use serde_json::{Map, Value, json};

use super::recorded::Recorded;
use super::{client, recordings, runtime};

/// Headers that servers look at.
const HEADERS: &[&str] = &[
    "x-api-key",
    "x-access-token",
    "e2b-traffic-access-token",
    "e2b-sandbox-id",
    "e2b-sandbox-port",
    "authorization",
    "idempotency-key",
    "connect-protocol-version",
    "connect-timeout-ms",
    "keepalive-ping-interval",
    "content-type",
];
/// How long a stream that never ends is listened to.
const PATIENCE: Duration = Duration::from_millis(100);

#[test]
fn our_requests_are_those_of_the_official_sdks() {
    let (mut matched, mut wrong) = (0, Vec::new());
    runtime().block_on(async {
        let mut replays = tokio::task::JoinSet::new();
        for (name, recording) in recordings("sdk") {
            replays.spawn(async move { (name, replay(&recording).await) });
        }
        while let Some(replayed) = replays.join_next().await {
            match replayed.unwrap() {
                (_, Ok(count)) => matched += count,
                (name, Err(why)) => wrong.push(format!("{name}: {why}")),
            }
        }
    });
    println!("{matched} requests as the SDKs send them");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(matched > 200, "{matched}");
}

/// Makes the calls of a recording; how many requests were as recorded.
async fn replay(recording: &Value) -> Result<usize, String> {
    let exchanges = recording["exchanges"].as_array().unwrap();
    let mut matched = 0;
    let mut index = 0;
    while let Some(exchange) = exchanges.get(index) {
        // What one call asked for several times, by its own policy, is one call of ours.
        let is_same = |other: &&Value| {
            other["request"]["method"] == exchange["request"]["method"]
                && other["request"]["path"] == exchange["request"]["path"]
                && other["request"]["body"] == exchange["request"]["body"]
                && exchange["request"]["path"] == "/v2/sandboxes"
        };
        let count = exchanges[index..].iter().take_while(is_same).count().max(1);
        let answers = exchanges[index..index + count].iter();
        let server = Recorded::start(
            answers
                .map(|exchange| exchange["response"].clone())
                .collect(),
        )
        .await;
        let wanted = &exchange["request"];
        let call = Call {
            client: &client(server.address),
            request: wanted,
        };
        // Its answer is looked at elsewhere.
        let _ = call.make().await;
        let asked = server.asked();
        let asked = asked
            .first()
            .ok_or(format!("{} was not asked", wanted["path"]))?;
        compare(wanted, asked).map_err(|why| format!("request {index}: {why}"))?;
        matched += 1;
        index += count;
    }
    Ok(matched)
}

/// A call that a request came from.
struct Call<'a> {
    client: &'a Client,
    request: &'a Value,
}

impl Call<'_> {
    async fn make(&self) -> Result<(), Error> {
        let (method, path) = (
            self.request["method"].as_str().unwrap(),
            self.request["path"].as_str().unwrap(),
        );
        let body = &self.request["body"]["json"];
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.trim_start_matches("/v2").split('/').skip(1).collect();
        let seconds = || Duration::from_secs(body["timeout"].as_u64().unwrap_or(300));
        match (method, &parts[..]) {
            ("POST", ["sandboxes"]) => self.client.create(&self.order()).await.map(drop),
            ("GET", ["sandboxes"]) => {
                let (query, next) = list_query(query);
                self.client.list(&query, next.as_deref()).await.map(drop)
            }
            ("GET", ["sandboxes", id]) => self.client.get(id).await.map(drop),
            ("DELETE", ["sandboxes", id]) => self.client.kill(id).await.map(drop),
            ("POST", ["sandboxes", id, "timeout"]) => self.client.set_lifetime(id, seconds()).await,
            ("POST", ["sandboxes", id, "pause"]) => self.client.pause(id).await.map(drop),
            ("POST", ["sandboxes", id, "connect"]) => {
                self.client.connect(id, seconds()).await.map(drop)
            }
            _ => self.make_inside(method, &parts, query).await,
        }
    }

    async fn make_inside(&self, method: &str, parts: &[&str], query: &str) -> Result<(), Error> {
        // Made anew, because each call has a server of its own.
        let made = json!({
            "sandboxID": "ifakesandbox00000001", "envdVersion": "0.6.7",
            "envdAccessToken": "ENVD_TOKEN_DUMMY",
            "trafficAccessToken": self.header("e2b-traffic-access-token"),
        });
        let maker =
            Recorded::start(vec![json!({"status": 201, "headers": {}, "body": made})]).await;
        let mut config = client(maker.address).config().clone();
        config.sandbox_url = self.client.config().sandbox_url.clone();
        let order = NewSandbox::new("code-interpreter-v1", Duration::from_secs(60));
        let sandbox = Client::new(config).unwrap().create(&order).await?;
        let body = &self.request["body"]["json"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let form = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|(found, _)| *found == name)
                .map(|(_, value)| decoded(value))
                .next()
        };
        match (method, parts) {
            ("POST", ["execute"]) => {
                let options = ExecuteOptions {
                    context: text(&body["context_id"]),
                    language: text(&body["language"]),
                    environment: texts(&body["env_vars"]),
                };
                let executing = sandbox
                    .execute(body["code"].as_str().unwrap(), &options)
                    .await?;
                let _ = tokio::time::timeout(PATIENCE, executing.collect()).await;
                Ok(())
            }
            ("POST", ["contexts"]) => {
                let (language, cwd) = (body["language"].as_str(), body["cwd"].as_str());
                sandbox.create_context(language, cwd).await.map(drop)
            }
            ("GET", ["contexts"]) => sandbox.contexts().await.map(drop),
            ("POST", ["contexts", id, "restart"]) => sandbox.restart_context(id).await,
            ("DELETE", ["contexts", id]) => sandbox.remove_context(id).await,
            ("GET", ["health"]) => sandbox.is_running().await.map(drop),
            ("GET", ["files"]) => {
                let path = form("path").unwrap();
                sandbox.read_file(&path, 1 << 20).await.map(drop)
            }
            ("POST", ["files"]) => match form("path") {
                Some(path) => {
                    let user = form("username");
                    let text = self.request["body"]["text"].as_str().unwrap().as_bytes();
                    sandbox
                        .write_file(&path, text.to_vec(), user.as_deref())
                        .await
                        .map(drop)
                }
                None => {
                    let files: [(&str, &[u8]); 2] = [("/tmp/1", b"x"), ("/tmp/2", b"y")];
                    sandbox.write_files(&files, None).await.map(drop)
                }
            },
            ("POST", ["filesystem.Filesystem", "ListDir"]) => sandbox
                .list_directory(body["path"].as_str().unwrap())
                .await
                .map(drop),
            ("POST", ["process.Process", "List"]) => sandbox.processes().await.map(drop),
            ("POST", ["process.Process", "SendSignal"]) => {
                let pid = body["process"]["pid"].as_u64().unwrap();
                sandbox
                    .kill_process(pid.try_into().unwrap())
                    .await
                    .map(drop)
            }
            ("POST", ["process.Process", "Start"]) => {
                let mut running = sandbox.start(&self.process()).await?;
                let all = async { while let Ok(Some(_)) = running.next().await {} };
                let _ = tokio::time::timeout(PATIENCE, all).await;
                Ok(())
            }
            other => panic!("no call is known for {other:?}"),
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        let headers = self.request["headers"].as_array().unwrap();
        let found = headers
            .iter()
            .find(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
        found.map(|pair| pair[1].as_str().unwrap().to_owned())
    }

    fn order(&self) -> NewSandbox {
        let mut body = self.request["body"]["json"].as_object().unwrap().clone();
        let mut take = |key: &str| body.remove(key).unwrap_or_default();
        let template = take("templateID");
        let lifetime = take("timeout").as_u64().unwrap_or(300);
        let mut order = NewSandbox::new(template.as_str().unwrap(), Duration::from_secs(lifetime));
        order.metadata = texts(&take("metadata"));
        order.environment = texts(&take("envVars"));
        order.internet = take("allow_internet_access").as_bool().unwrap_or(true);
        order.more = body;
        if let Some(key) = self.header("idempotency-key") {
            order.idempotency_key = key;
        }
        order
    }

    fn process(&self) -> NewProcess {
        let start = &self.request["body"]["connect_envelopes"][0]["json"];
        let process = &start["process"];
        let args = process["args"].as_array().unwrap().iter();
        let user = self.header("authorization").map(|basic| {
            let user = BASE64_STANDARD
                .decode(basic.trim_start_matches("Basic "))
                .unwrap();
            String::from_utf8(user)
                .unwrap()
                .trim_end_matches(':')
                .to_owned()
        });
        let deadline = self.header("connect-timeout-ms");
        NewProcess {
            command: process["cmd"].as_str().unwrap().to_owned(),
            args: args.map(|arg| arg.as_str().unwrap().to_owned()).collect(),
            environment: texts(&process["envs"]),
            directory: process["cwd"].as_str().map(str::to_owned),
            user,
            stdin: start["stdin"].as_bool().unwrap(),
            deadline: deadline.map(|text| Duration::from_millis(text.parse().unwrap())),
        }
    }
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

fn list_query(query: &str) -> (ListQuery, Option<String>) {
    let (mut found, mut next) = (ListQuery::default(), None);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = decoded(value);
        match name {
            "metadata" => {
                let pairs = value.split('&').filter_map(|pair| pair.split_once('='));
                found.metadata = pairs
                    .map(|(name, value)| (decoded(&decoded(name)), decoded(&decoded(value))))
                    .collect();
            }
            "state" => {
                let states = value.split(',').map(|state| match state {
                    "running" => State::Running,
                    _ => State::Paused,
                });
                found.states = states.collect();
            }
            "nextToken" => next = Some(value),
            "limit" => found.limit = value.parse().ok(),
            other => panic!("unknown parameter {other}"),
        }
    }
    (found, next)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn compare(wanted: &Value, asked: &Value) -> Result<(), String> {
    let differ = |what: &str, wanted: &dyn std::fmt::Debug, asked: &dyn std::fmt::Debug| {
        Err(format!(
            "{what}: the SDK sends {wanted:?}, we send {asked:?}"
        ))
    };
    if wanted["method"] != asked["method"] {
        return differ("method", &wanted["method"], &asked["method"]);
    }
    let path = |request: &Value| {
        let text = request["path"].as_str().unwrap();
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut query: Vec<String> = query.split('&').map(decoded).collect();
        // Words of the metadata have no order.
        for part in &mut query {
            let mut words: Vec<&str> = part.split('&').collect();
            words.sort_by_key(|word| word.trim_start_matches("metadata="));
            *part = words.join("&").replace("metadata=", "");
        }
        query.sort();
        (path.to_owned(), query)
    };
    if path(wanted) != path(asked) {
        return differ("path", &path(wanted), &path(asked));
    }
    let (wanted_headers, asked_headers) = (headers(wanted), headers(asked));
    let is_stream = wanted["path"] == "/process.Process/Start";
    for name in HEADERS {
        let (theirs, ours) = (wanted_headers.get(*name), asked_headers.get(*name));
        let is_right = match *name {
            // Our key; and one that makes a retry safe, which they leave out.
            "x-api-key" => theirs.is_some() == ours.is_some(),
            "idempotency-key" => theirs.is_none() || theirs == ours,
            // Without a body it says nothing. Of forms the boundary is anybody's own, and one file can
            // be sent as it is, which the SDKs do on request.
            "content-type" => {
                let kind = |text: &String| text.split(';').next().unwrap().to_owned();
                let is_file = asked["path"].as_str().unwrap().starts_with("/files?");
                asked["body"] == "" || is_file || theirs.map(kind) == ours.map(kind)
            }
            // Theirs on calls without a stream is what their client waits.
            "connect-timeout-ms" if !is_stream => true,
            _ => theirs == ours,
        };
        if !is_right {
            return differ(name, &theirs, &ours);
        }
    }
    let (theirs, ours) = (body(wanted), body(asked));
    if theirs != ours {
        return differ("body", &theirs, &ours);
    }
    Ok(())
}

fn headers(request: &Value) -> BTreeMap<String, String> {
    let pairs = request["headers"].as_array().unwrap().iter();
    pairs
        .map(|pair| {
            let text = |index: usize| pair[index].as_str().unwrap().to_owned();
            (text(0).to_lowercase(), text(1))
        })
        .collect()
}

/// What a body says, whatever its form: without what says nothing, and without the lifetime, which we
/// always send.
fn body(request: &Value) -> Value {
    let path = request["path"].as_str().unwrap();
    if path.starts_with("/files") {
        return Value::Null;
    }
    let body = &request["body"];
    let value = if let Some(text) = body.as_str() {
        match &request["envelope"] {
            Value::Null => serde_json::from_str(text).unwrap_or_default(),
            envelope => envelope.clone(),
        }
    } else if let Some(envelope) = body.get("connect_envelopes") {
        envelope[0]["json"].clone()
    } else {
        body.get("json").cloned().unwrap_or_default()
    };
    let Value::Object(fields) = value else {
        return value;
    };
    let is_said =
        |value: &Value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty());
    let fields: Map<String, Value> = fields
        .into_iter()
        .filter(|(name, value)| is_said(value) && !(path == "/v2/sandboxes" && name == "timeout"))
        .collect();
    Value::Object(fields)
}

/// What each scenario that goes wrong comes to, with what the SDKs raise in mind: the last call's.
const OUTCOMES: &[(&str, &str)] = &[
    ("err_create_400", "Refused"),
    ("err_create_401", "KeyRefused"),
    ("err_create_403", "Forbidden"),
    ("err_create_404", "NotFound"),
    ("err_create_429_forever", "ConcurrencyLimit"),
    (
        "err_create_429_retry_after_long",
        "RateLimit { retry_after: Some(3600s) }",
    ),
    (
        "err_create_429_should_retry_false",
        "RateLimit { retry_after: None }",
    ),
    ("err_create_429_then_ok", "ok"),
    ("err_create_500_should_retry_true", "ok"),
    ("err_create_502_then_ok", "ok"),
    ("err_create_503", "Busy"),
    ("err_create_malformed_json", "Protocol"),
];

#[test]
fn a_create_that_goes_wrong_has_its_kind_and_is_retried_where_it_may() {
    for (name, wanted) in OUTCOMES {
        let recording = super::recording(&format!("sdk/{name}.python.json"));
        let exchanges = recording["exchanges"].as_array().unwrap();
        let answers = exchanges
            .iter()
            // One that is broken may be asked for again.
            .chain(exchanges.last())
            .map(|exchange| exchange["response"].clone());
        let (outcome, asked) = runtime().block_on(async {
            let server = Recorded::start(answers.collect()).await;
            let order = NewSandbox::new("code-interpreter-v1", Duration::from_secs(60));
            let outcome = client(server.address).create(&order).await;
            (outcome, server.asked())
        });
        let kind = match outcome {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{:?}", error.kind),
        };
        assert_eq!(kind, *wanted, "{name}");
        // However often it was asked for, it was one sandbox.
        let keys: std::collections::BTreeSet<_> = asked
            .iter()
            .map(|request| headers(request)["idempotency-key"].clone())
            .collect();
        assert_eq!(keys.len(), 1, "{name}");
    }
}

#[test]
fn where_there_is_no_second_version_the_first_is_used_and_remembered() {
    runtime().block_on(async {
        let created = json!({"status": 201, "headers": {}, "body": {"sandboxID": "i1", "envdVersion": "0.4.0"}});
        let none = json!({"status": 404, "headers": {}, "body": "404 page not found"});
        let server = Recorded::start(vec![none, created.clone(), created]).await;
        let client = client(server.address);
        let order = NewSandbox::new("base", Duration::from_secs(60));
        for _ in 0..2 {
            assert_eq!(client.create(&order).await.unwrap().id(), "i1");
        }
        let asked = server.asked();
        let paths: Vec<&str> = asked.iter().map(|asked| asked["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["/v2/sandboxes", "/sandboxes", "/sandboxes"]);
        // It secures a sandbox only when it is asked to.
        assert_eq!(body(&asked[1])["secure"], true);
    });
}

#[test]
fn a_sandbox_that_is_gone_is_ended_already() {
    runtime().block_on(async {
        let gone = json!({"status": 404, "headers": {}, "body": {"code": 404, "message": "sandbox not found"}});
        let server = Recorded::start(vec![gone.clone(), gone]).await;
        let client = client(server.address);
        assert!(!client.kill("i1").await.unwrap());
        let error = client.get("i1").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
    });
}

#[test]
fn in_local_mode_there_is_no_control_plane() {
    runtime().block_on(async {
        let config = rewardspec::e2b::Config {
            debug: true,
            ..Default::default()
        };
        let client = Client::new(config).unwrap();
        let order = NewSandbox::new("base", Duration::from_secs(60));
        let sandbox = client.create(&order).await.unwrap();
        assert_eq!(sandbox.id(), "debug_sandbox_id");
        assert!(client.kill(sandbox.id()).await.unwrap());
        client
            .set_lifetime(sandbox.id(), Duration::from_secs(1))
            .await
            .unwrap();
    });
}
