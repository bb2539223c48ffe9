//! The binary as a child process that is not expected to live long.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use brigade::failpoint;

/// One life of the bot. Dropped, it is killed, by its own id.
pub struct Bot {
    child: Child,
}

/// Where lives leave what they said.
pub struct Lives {
    folder: PathBuf,
    settings: Vec<(String, String)>,
    /// Where a webhook may be: two lives at once can't have the same.
    ports: Option<[u16; 2]>,
    /// Lives so far.
    pub count: usize,
}

/// What lives are told from outside, which is not to come from this process's own environment.
const FAMILIES: [&str; 7] =
    ["TELEGRAM_", "OPENAI_", "MONGODB_", "BRIGADE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

impl Lives {
    /// Lives in `folder`, each with these settings, that get updates at `ports`, or ask for them.
    pub fn new(folder: &Path, settings: Vec<(String, String)>, ports: Option<[u16; 2]>) -> Self {
        Self { folder: folder.to_owned(), settings, ports, count: 0 }
    }

    /// The next life listens elsewhere: this one is still there.
    pub fn move_on(&mut self) {
        self.ports.iter_mut().for_each(|ports| ports.swap(0, 1));
    }

    /// Where life number `life` (from 1) wrote this: `flow` or `log`.
    pub fn path(&self, life: usize, what: &str) -> PathBuf {
        self.folder.join(format!("life-{life:03}.{what}"))
    }

    /// Begins a life, which ends at a step when `fail_at` names one.
    pub fn begin(&mut self, fail_at: Option<&str>) -> Bot {
        self.count += 1;
        let file = |what| File::create(self.path(self.count, what)).expect("a file in an own folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_brigade"));
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            if upper == "PORT" || FAMILIES.iter().any(|family| upper.starts_with(family)) {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.folder).args(["serve", "--flow"]).envs(self.settings.iter().cloned());
        if let Some([port, _]) = self.ports {
            command.env("PORT", port.to_string());
            command.env("TELEGRAM_WEBHOOK_URL", format!("http://127.0.0.1:{port}"));
        }
        command.envs(fail_at.map(|at| (failpoint::VARIABLE, at)));
        command.stdin(Stdio::null()).stdout(file("flow")).stderr(file("log"));
        Bot { child: command.spawn().expect("the binary starts") }
    }

    /// Whether a life listens for signals: it does before it says its first word.
    pub fn listens(&self, life: usize) -> bool {
        !self.log(life).is_empty()
    }

    /// Whether a life takes updates.
    pub fn serves(&self, life: usize) -> bool {
        let log = self.log(life);
        log.contains("polling for updates") || log.contains("telegram sends updates to")
    }

    /// Whether a life waits for the end of the one before.
    pub fn waits(&self, life: usize) -> bool {
        self.log(life).contains("another process serves this bot")
    }

    /// What the life number `life` logged.
    pub fn log(&self, life: usize) -> String {
        String::from_utf8_lossy(&fs::read(self.path(life, "log")).unwrap_or_default()).into_owned()
    }
}

impl Bot {
    /// How it has ended, when it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child can be asked")
    }

    /// Sends a signal such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        // An error means that it has ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to a process of these tests; it may have ended already.
pub fn signal(process: u32, name: &str) {
    let (signal, process) = (format!("-{name}"), process.to_string());
    let sent = Command::new("kill").args([signal, process]).stderr(Stdio::null()).status();
    let _ended = sent.expect("kill starts");
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on 127.0.0.1");
    listener.local_addr().expect("the address of a listener").port()
}
