//! What the interpreter does that nobody expects, by recordings of the real one and by the backend's
//! notebook mode, which steps around it.

use std::sync::Arc;
use std::time::Duration;

use rewardspec::backend::e2b::E2b;
use rewardspec::e2b::{Event, Executing, NewSandbox};
use rewardspec::execution::{Execution, Status};
use rewardspec::program::{
    Cloud, CloudMode, Ending, Interpreter, Job, Limits, Program, Run, SourceFile, Word,
};
use serde_json::Value;

use super::streams::{asked, replaying};
use super::{client, data, emulator, recording, runtime};
use crate::emulator::Options;

/// How long a stream without an end is listened to.
const PATIENCE: Duration = Duration::from_millis(300);

/// The events of a recorded execution, as far as they come; and whether they came to an end.
async fn heard(name: &str, index: usize) -> (Vec<Event>, bool) {
    let options = Options {
        recordings: Some(data("real")),
        ..Options::default()
    };
    let emulator = emulator(options).await;
    let recording = recording(&format!("real/{name}.json"));
    let step = &recording["steps"][index];
    let sandbox = replaying(emulator.address(), name).await;
    let (code, options) = asked(step);
    let mut executing = sandbox.execute(code, &options).await.unwrap();
    let mut events = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, all(&mut executing, &mut events)).await;
    drop(executing);
    emulator.stop().await;
    (events, ended.is_ok())
}

async fn all(executing: &mut Executing, events: &mut Vec<Event>) {
    while let Ok(Some(event)) = executing.next().await {
        events.push(event);
    }
}

fn steps(name: &str) -> Vec<Value> {
    let recording = recording(&format!("real/{name}.json"));
    recording["steps"].as_array().unwrap().clone()
}

#[test]
fn process_exit_in_javascript_never_ends() {
    runtime().block_on(async {
        let (events, ended) = heard("js_process_exit", 0).await;
        assert!(!ended);
        assert_eq!(events.last(), Some(&Event::Keepalive));
    });
}

#[test]
fn a_run_right_after_a_disconnect_is_swallowed() {
    runtime().block_on(async {
        let swallowed = steps("py_disconnect_then_immediate_reuse")
            .iter()
            .position(|step| {
                let lines = step["response"]["lines"].as_array();
                lines.is_some_and(|lines| {
                    !lines.is_empty()
                        && lines.iter().all(|line| {
                            line["raw"]
                                .as_str()
                                .unwrap_or_default()
                                .contains("keepalive")
                        })
                })
            })
            .unwrap();
        let (events, ended) = heard("py_disconnect_then_immediate_reuse", swallowed).await;
        assert!(!ended);
        assert!(events.iter().all(|event| *event == Event::Keepalive));
    });
}

#[test]
fn lines_shift_in_the_first_execution_of_a_context() {
    runtime().block_on(async {
        let steps = steps("py_first_execution_line_shift");
        let executions: Vec<usize> = (0..steps.len())
            .filter(|index| steps[*index]["request"]["path"] == "/execute")
            .collect();
        let mut tracebacks = Vec::new();
        for index in executions {
            let (events, _) = heard("py_first_execution_line_shift", index).await;
            tracebacks.extend(events.into_iter().find_map(|event| match event {
                Event::Error(error) => Some(error.traceback),
                _ => None,
            }));
        }
        assert!(tracebacks[0].contains("line 5") && tracebacks[1].contains("line 1"));
    });
    // The backend runs something else first: the program's lines are its own.
    let ran = notebook("\n\nraise ValueError('third line')", Limits::default());
    assert!(ran.stderr.text.contains("line 3"), "{}", ran.stderr.text);
}

fn notebook_program(language: &str, code: &str, limits: Limits) -> Job {
    let (command, file) = match language {
        "python" => ("python3", "main.py"),
        _ => ("node", "main.js"),
    };
    Job {
        program: Arc::new(Program {
            interpreter: Arc::new(Interpreter {
                language: language.to_owned(),
                command: command.to_owned(),
                ..Interpreter::default()
            }),
            files: vec![SourceFile {
                path: file.to_owned(),
                bytes: code.as_bytes().into(),
            }],
            build: None,
            limits,
            network: false,
            fork_server: None,
            cloud: Cloud {
                template: None,
                mode: CloudMode::Notebook,
                kernel: Some(language.to_owned()),
            },
        }),
        runs: [Run {
            command: vec![Word::Interpreter, Word::Text(file.to_owned())],
            ..Run::default()
        }]
        .into(),
        ending: Ending::default(),
    }
}

fn notebook_in(language: &str, code: &str, limits: Limits) -> Execution {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let config = client(emulator.address()).config().clone();
        let backend = E2b::new(config, Some(1)).unwrap();
        let job = notebook_program(language, code, limits);
        let ran = backend.execute(&job).await.unwrap().runs.remove(0);
        // Killed, whatever came of it.
        assert_eq!(emulator.living(), Vec::<String>::new());
        emulator.stop().await;
        ran
    })
}

fn notebook(code: &str, limits: Limits) -> Execution {
    notebook_in("python", code, limits)
}

#[test]
fn a_cell_shows_what_it_prints_and_its_last_value() {
    let ran = notebook("x = 6\nprint('printed')\nx * 7", Limits::default());
    assert_eq!(
        (ran.status, ran.stdout.text.as_str()),
        (Status::Ok, "printed\n42\n")
    );
    assert_eq!(ran.backend, "e2b");
    let ran = notebook_in(
        "javascript",
        "console.log('printed'); 6 * 7",
        Limits::default(),
    );
    assert_eq!(ran.stdout.text, "printed\n42\n");
}

#[test]
fn a_system_exit_is_an_exit_status() {
    for (code, status, exit_code) in [
        ("import sys; sys.exit(0)", Status::Ok, 0),
        ("import sys; sys.exit()", Status::Ok, 0),
        ("import sys; sys.exit(3)", Status::RuntimeError, 3),
        ("raise ValueError('no')", Status::RuntimeError, 1),
    ] {
        let ran = notebook(code, Limits::default());
        assert_eq!(
            (ran.status, ran.exit_code),
            (status, Some(exit_code)),
            "{code}"
        );
    }
}

#[test]
fn a_cell_that_never_ends_is_ended_and_so_is_its_sandbox() {
    let limits = Limits {
        wall: Duration::from_secs(1),
        ..Limits::default()
    };
    let ran = notebook("print('first', flush=True)\nwhile True: pass", limits);
    assert_eq!(
        (ran.status, ran.reason.as_deref(), ran.stdout.text.as_str()),
        (Status::Timeout, Some("wall"), "first\n")
    );
    let ran = notebook_in("javascript", "process.exit(3)", limits);
    assert_eq!(ran.status, Status::Timeout);
}

#[test]
fn a_kernel_that_ends_is_the_programs_doing() {
    let ran = notebook("import os; os._exit(7)", Limits::default());
    assert_eq!(ran.status, Status::Killed);
    assert!(ran.reason.unwrap().contains("kernel"));
}

#[test]
fn what_a_notebook_has_not_is_refused_before_anything_is_made() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let config = client(emulator.address()).config().clone();
        let backend = E2b::new(config, Some(1)).unwrap();
        let mut with_input = notebook_program("python", "print(input())", Limits::default());
        Arc::make_mut(&mut with_input.runs)[0].stdin = b"x".to_vec();
        let mut with_tests = notebook_program("python", "", Limits::default());
        Arc::make_mut(&mut with_tests.runs)[0].private = Some(Vec::new());
        for job in [with_input, with_tests] {
            let error = backend.execute(&job).await.unwrap_err();
            assert!(error.message.contains("e2b: {mode: script}"), "{error}");
        }
        assert_eq!(emulator.requests().len(), 0);
        emulator.stop().await;
    });
}

#[test]
fn a_connection_that_closes_interrupts_and_nothing_else_does() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let order = NewSandbox::new("code-interpreter-v1", Duration::from_secs(60));
        let client = client(emulator.address());
        let sandbox = client.create(&order).await.unwrap();
        let context = sandbox.create_context(Some("python"), None).await.unwrap();
        let options = rewardspec::e2b::ExecuteOptions {
            context: Some(context.id),
            ..Default::default()
        };
        let code = "import time\ntry:\n    print('begun', flush=True)\n    while True: time.sleep(0.05)\nexcept KeyboardInterrupt:\n    open('/home/user/interrupted', 'w').close()";
        let executing = sandbox.execute(code, &options).await.unwrap();
        let begun = tokio::time::timeout(Duration::from_secs(20), async {
            let mut executing = executing;
            while !matches!(executing.next().await.unwrap(), Some(Event::Stdout { .. })) {}
            assert!(sandbox.read_file("interrupted", 10).await.is_err());
            drop(executing);
            while sandbox.read_file("interrupted", 10).await.is_err() {}
        });
        begun.await.unwrap();
        client.kill(sandbox.id()).await.unwrap();
        emulator.stop().await;
    });
}
