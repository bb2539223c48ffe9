//! The real binary as a child process: what it is told, what it says, how it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

/// The bot of these tests.
pub const BOT: i64 = 77;
/// Its token.
pub const TOKEN: &str = "77:tokenSecretWord";
/// The model's key.
pub const KEY: &str = "keySecretWord";
/// What the simulated Telegram sends with every update.
pub const WEBHOOK_SECRET: &str = "hookSecretWord";
/// For connection strings.
pub const PASSWORD: &str = "passSecretWord";

/// In every secret, and in no output.
const SECRET: &str = "SecretWord";

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until there is something to see.
///
/// # Panics
/// When that takes too long.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A running `brigade`. Dropped, it is killed, by its own id; whatever it said must be free of
/// secrets.
pub struct Brigade {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

impl Brigade {
    /// Starts it in `folder` with these settings and none of this process's own.
    pub fn start(folder: &Path, args: &[&str], settings: &[(String, String)]) -> Self {
        Self::start_with_input(folder, args, settings, Stdio::null())
    }

    /// The same, with a standard input.
    pub fn start_with_input(
        folder: &Path,
        args: &[&str],
        settings: &[(String, String)],
        input: impl Into<Stdio>,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brigade"));
        let own = ["TELEGRAM_", "OPENAI_", "MONGODB_", "BRIGADE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            if upper == "PORT" || own.iter().any(|prefix| upper.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.current_dir(folder).args(args).envs(settings.iter().cloned());
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let (out, out_reader) = collect(child.stdout.take().expect("a pipe"));
        let (err, err_reader) = collect(child.stderr.take().expect("a pipe"));
        Self { child, readers: vec![out_reader, err_reader], out, err }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.err.lock().expect("no panic").clone()
    }

    /// Waits until it logs these words. Returns whether it did; it may end before.
    pub async fn logs(&mut self, words: &str) -> bool {
        until(words, async || {
            // Looked at in this order: what it said last is read before it is seen to have ended.
            let ended = self.poll_end().is_some();
            let said = self.log().contains(words);
            (said || ended).then_some(said)
        })
        .await
    }

    /// Sends a signal that asks it to end, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill starts").success(), "no signal could be sent");
    }

    /// Kills it, as the lack of memory would, and waits until it is gone.
    pub fn kill(&mut self) {
        // An error means that it has ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        self.join();
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.poll_end().is_none()
    }

    /// Waits for its end. Returns its exit code; none when a signal killed it.
    pub async fn ended(&mut self) -> Option<i32> {
        let status = until("the end of the process", async || self.poll_end()).await;
        status.code()
    }

    /// Waits for its end. Returns its exit code, standard output and standard error.
    pub async fn finish(mut self) -> (Option<i32>, String, String) {
        let code = self.ended().await;
        let out = self.out.lock().expect("no panic").clone();
        (code, out, self.log())
    }

    fn poll_end(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("the child can be asked")?;
        self.join();
        Some(status)
    }

    /// Its last words are in the pipes when it is gone.
    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().expect("no panic");
        }
    }
}

impl Drop for Brigade {
    fn drop(&mut self) {
        self.kill();
        let (out, log) = (self.out.lock().expect("no panic").clone(), self.log());
        if std::thread::panicking() {
            println!("--- its output:\n{out}\n--- its log:\n{log}");
        } else {
            let secret = out.lines().chain(log.lines()).find(|line| line.contains(SECRET));
            assert!(secret.is_none(), "a secret is shown: {secret:?}");
            assert!(!log.contains('\x1b'), "colours are for terminals");
        }
    }
}

/// Reads a pipe to its end in a thread of its own.
fn collect(pipe: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = text.clone();
    let reader = std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            kept.lock().expect("no panic").push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    (text, reader)
}
