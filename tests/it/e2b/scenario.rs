//! The client and the emulator, with real programs: the calls one after the other, as people use them.

use std::time::Duration;

use rewardspec::e2b::{
    ErrorKind, ExecuteOptions, ListQuery, NewProcess, NewSandbox, ProcessEvent, Running, State,
};

use super::{client, emulator, runtime};
use crate::emulator::Options;

fn order() -> NewSandbox {
    NewSandbox::new("code-interpreter-v1", Duration::from_secs(60))
}

/// What a process wrote, and how it ended.
async fn all(running: Running) -> (String, String, i32, String) {
    let finished = running.collect().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        text(finished.stdout),
        text(finished.stderr),
        finished.exit_code,
        finished.status,
    )
}

#[test]
fn a_sandbox_lives_is_found_sleeps_and_is_ended() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let client = client(emulator.address());
        let mut mine = order();
        mine.metadata.insert("run".to_owned(), "r 1&x".to_owned());
        let sandbox = client.create(&mine).await.unwrap();
        // The same order is the same sandbox, however often it is sent.
        assert_eq!(client.create(&mine).await.unwrap().id(), sandbox.id());
        let other = client.create(&order()).await.unwrap();

        let query = ListQuery {
            metadata: mine.metadata.clone(),
            states: vec![State::Running],
            limit: Some(1),
        };
        let page = client.list(&query, None).await.unwrap();
        assert_eq!(page.sandboxes.len(), 1);
        assert_eq!(page.sandboxes[0].id, sandbox.id());
        let all = ListQuery {
            limit: Some(1),
            ..ListQuery::default()
        };
        let first = client.list(&all, None).await.unwrap();
        let second = client.list(&all, first.next.as_deref()).await.unwrap();
        assert!(second.next.is_none());
        assert_ne!(first.sandboxes[0].id, second.sandboxes[0].id);

        assert!(client.pause(sandbox.id()).await.unwrap());
        assert!(!client.pause(sandbox.id()).await.unwrap());
        assert!(!sandbox.is_running().await.unwrap());
        assert_eq!(client.get(sandbox.id()).await.unwrap().state, State::Paused);
        let again = client
            .connect(sandbox.id(), Duration::from_secs(30))
            .await
            .unwrap();
        assert!(again.is_running().await.unwrap());

        client
            .set_lifetime(other.id(), Duration::ZERO)
            .await
            .unwrap();
        let gone = async { while other.is_running().await.unwrap() {} };
        tokio::time::timeout(Duration::from_secs(10), gone)
            .await
            .unwrap();
        assert!(client.kill(sandbox.id()).await.unwrap());
        assert!(!client.kill(sandbox.id()).await.unwrap());
        assert_eq!(emulator.living(), Vec::<String>::new());
        emulator.stop().await;
    });
}

#[test]
fn processes_have_real_ends_streams_and_input() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let client = client(emulator.address());
        let sandbox = client.create(&order()).await.unwrap();
        let run =
            async |line: &str| all(sandbox.start(&NewProcess::shell(line)).await.unwrap()).await;
        let (stdout, stderr, code, _) = run("echo out; echo err >&2; exit 3").await;
        assert_eq!(
            (stdout.as_str(), stderr.as_str(), code),
            ("out\n", "err\n", 3)
        );
        let (_, _, code, status) = run("kill -SEGV $$").await;
        assert_eq!((code, status.as_str()), (-1, "signal: segmentation fault"));

        // Its input, and its end by ours.
        let process = NewProcess {
            stdin: true,
            ..NewProcess::shell("read line; echo \"got $line\"; cat; echo over")
        };
        let mut running = sandbox.start(&process).await.unwrap();
        let Some(ProcessEvent::Started { pid }) = running.next().await.unwrap() else {
            panic!("it was not started");
        };
        sandbox.send_input(pid, b"first\nsecond\n").await.unwrap();
        sandbox.close_input(pid).await.unwrap();
        let (stdout, _, code, _) = all(running).await;
        assert_eq!((stdout.as_str(), code), ("got first\nsecond\nover\n", 0));

        let mut running = sandbox
            .start(&NewProcess::shell("sleep 600"))
            .await
            .unwrap();
        let Some(ProcessEvent::Started { pid }) = running.next().await.unwrap() else {
            panic!("it was not started");
        };
        assert!(
            sandbox
                .processes()
                .await
                .unwrap()
                .iter()
                .any(|one| one.pid == pid)
        );
        assert!(sandbox.kill_process(pid).await.unwrap());
        assert_eq!(all(running).await.3, "signal: killed");
        assert!(!sandbox.kill_process(pid).await.unwrap());

        // A deadline that is kept inside, and what cannot begin.
        let late = NewProcess {
            deadline: Some(Duration::from_millis(200)),
            ..NewProcess::shell("sleep 600")
        };
        let mut running = sandbox.start(&late).await.unwrap();
        running.next().await.unwrap();
        assert_eq!(running.next().await.unwrap_err().kind, ErrorKind::Late);
        let nowhere = NewProcess {
            directory: Some("/nope".to_owned()),
            ..NewProcess::shell("true")
        };
        let mut running = sandbox.start(&nowhere).await.unwrap();
        assert_eq!(running.next().await.unwrap_err().kind, ErrorKind::Refused);
        client.kill(sandbox.id()).await.unwrap();
        emulator.stop().await;
    });
}

#[test]
fn files_are_written_read_and_listed() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let client = client(emulator.address());
        let sandbox = client.create(&order()).await.unwrap();
        let bytes = vec![0, 255, b'\r', b'\n', b'-', b'-'];
        sandbox
            .write_file("deep/er/one.bin", bytes.clone(), None)
            .await
            .unwrap();
        let written = sandbox
            .write_files(
                &[
                    ("/home/user/two", &bytes),
                    ("/home/user/three \"q\" é", b""),
                ],
                None,
            )
            .await
            .unwrap();
        assert_eq!(written.len(), 2);
        assert_eq!(
            sandbox
                .read_file("/home/user/deep/er/one.bin", 100)
                .await
                .unwrap(),
            bytes
        );
        assert_eq!(sandbox.read_file("two", 100).await.unwrap(), bytes);
        let long = sandbox.read_file("two", 3).await.unwrap_err();
        assert_eq!(long.kind, ErrorKind::TooLong);
        let none = sandbox.read_file("four", 3).await.unwrap_err();
        assert_eq!(none.kind, ErrorKind::NotFound);
        let listed = sandbox.list_directory("/home/user").await.unwrap();
        assert!(listed.iter().any(|entry| entry.name == "two"));
        client.kill(sandbox.id()).await.unwrap();
        emulator.stop().await;
    });
}

#[test]
fn contexts_keep_their_variables_to_themselves() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let client = client(emulator.address());
        let sandbox = client.create(&order()).await.unwrap();
        let context = sandbox
            .create_context(Some("python"), Some("/tmp"))
            .await
            .unwrap();
        let inside = ExecuteOptions {
            context: Some(context.id.clone()),
            ..ExecuteOptions::default()
        };
        let run = async |code: &str, options: &ExecuteOptions| {
            let executing = sandbox.execute(code, options).await.unwrap();
            executing.collect().await.unwrap()
        };
        run("x = 41", &inside).await;
        assert_eq!(run("x + 1", &inside).await.main_text(), Some("42"));
        let outside = run("x", &ExecuteOptions::default()).await;
        assert_eq!(outside.error.unwrap().name, "NameError");
        let contexts = sandbox.contexts().await.unwrap();
        assert!(contexts.iter().any(|one| one.id == context.id));
        sandbox.restart_context(&context.id).await.unwrap();
        assert_eq!(run("x", &inside).await.error.unwrap().name, "NameError");
        sandbox.remove_context(&context.id).await.unwrap();
        let gone = sandbox.execute("1", &inside).await.unwrap_err();
        assert_eq!(gone.kind, ErrorKind::NotFound);
        let none = sandbox
            .create_context(Some("cobol"), None)
            .await
            .unwrap_err();
        assert_eq!(none.kind, ErrorKind::Server);
        client.kill(sandbox.id()).await.unwrap();
        emulator.stop().await;
    });
}

/// As in the cloud: the emulator keeps root's home from the user, and lets root see the user's processes.
#[test]
fn what_is_roots_is_not_the_users() {
    runtime().block_on(async {
        let emulator = emulator(Options::default()).await;
        let client = client(emulator.address());
        let sandbox = client.create(&order()).await.unwrap();
        let root = Some("root");
        sandbox
            .write_files(&[("/root/own", b"zq7")], root)
            .await
            .unwrap();
        for user in [None, Some("user")] {
            let written = sandbox.write_file("/root/own", b"other".to_vec(), user);
            assert_eq!(written.await.unwrap_err().kind, ErrorKind::Forbidden);
        }
        let read = sandbox.read_file("/root/own", 100).await.unwrap_err();
        assert_eq!(read.kind, ErrorKind::Forbidden);
        let run = async |line: &str, user: &str, directory: &str| {
            let process = NewProcess {
                user: Some(user.to_owned()),
                directory: Some(directory.to_owned()),
                ..NewProcess::shell(line)
            };
            let (stdout, _, code, _) = all(sandbox.start(&process).await.unwrap()).await;
            (stdout, code)
        };
        let found = run("cat own", "root", "/root").await;
        assert_eq!(found, ("zq7".to_owned(), 0));
        let found = run(
            "cat /root/own || grep -r zq7 . || exit 7",
            "user",
            "/home/user",
        )
        .await;
        assert_eq!(found, (String::new(), 7));

        // Processes of both, each with a number of its own.
        let mut pids = Vec::new();
        for (user, directory) in [("root", "/root"), ("user", "/tmp")] {
            let sleeping = NewProcess {
                user: Some(user.to_owned()),
                directory: Some(directory.to_owned()),
                ..NewProcess::shell("exec sleep 600")
            };
            let mut running = sandbox.start(&sleeping).await.unwrap();
            let Some(ProcessEvent::Started { pid }) = running.next().await.unwrap() else {
                panic!("it was not started");
            };
            pids.push(pid);
        }
        let count = "grep -l ^sleep /proc/[0-9]*/cmdline | wc -l";
        for (user, directory) in [("user", "/tmp"), ("root", "/root"), ("root", "/")] {
            assert_eq!(
                run(count, user, directory).await.0,
                "1\n",
                "{user} in {directory}"
            );
        }
        let mut listed: Vec<u32> = sandbox
            .processes()
            .await
            .unwrap()
            .iter()
            .map(|one| one.pid)
            .collect();
        listed.sort_unstable();
        pids.sort_unstable();
        assert_eq!(listed, pids);
        for pid in pids {
            assert!(sandbox.kill_process(pid).await.unwrap());
        }
        client.kill(sandbox.id()).await.unwrap();
        emulator.stop().await;
    });
}
