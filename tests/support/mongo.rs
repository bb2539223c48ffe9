//! A MongoDB for tests: the one at `MONGODB_URI`, or a SecantusDB started as a child.
//!
//! SecantusDB (PyPI: `SecantusDB`, binary `secantusd-py`) speaks MongoDB's protocol over WiredTiger.
//! It is looked for at `SECANTUSD`, on the `PATH` and in `.venv/bin`.

use std::env;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Starts the server and ends it when standard input closes, which also happens when the tests are
/// killed: no server outlives them. The child is killed by its own id.
const GUARD: &str = r#""$@" & child=$!; cat; kill -9 $child; wait $child 2>/dev/null; rm -rf "${STORAGE:?}""#;

/// A server of this test's own. Dropping it ends it.
pub struct Server {
    guard: Child,
    port: u16,
    _storage: TempDir,
}

impl Server {
    /// Starts SecantusDB on a free port and waits until it listens.
    ///
    /// # Errors
    /// What is missing and how to get it.
    pub async fn start() -> Result<Self, String> {
        let binary = find()?;
        // Another process may take the free port before the child does: then the child ends, and
        // the next free port is tried.
        for _ in 0..3 {
            if let Some(server) = Self::start_once(&binary).await? {
                return Ok(server);
            }
        }
        Err(format!("'{}' did not start listening; run it by hand to see why", binary.display()))
    }

    async fn start_once(binary: &Path) -> Result<Option<Self>, String> {
        let storage = tempfile::tempdir().map_err(|error| format!("no directory for its data: {error}"))?;
        let port = free_port();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(binary)
            .args([
                "--log-level",
                "ERROR",
                "--cache-size",
                "64M",
                "--port",
                &port.to_string(),
                "--storage-path",
            ])
            .arg(storage.path())
            .env("STORAGE", storage.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("could not start 'sh': {error}"))?;
        let server = Self { guard, port, _storage: storage };
        Ok(server.listens().await.then_some(server))
    }

    async fn listens(&self) -> bool {
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// The connection string.
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}", self.port)
    }

    /// The server's own process, where the system tells: the first child of its guard.
    #[allow(dead_code, reason = "for tests/faults.rs")]
    pub fn process(&self) -> Option<u32> {
        let guard = self.guard.id();
        let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// The URI of a server that all tests of this process share, or nothing, said out loud, where none
/// can be had. In CI that is a failure.
pub async fn shared() -> Option<&'static str> {
    // Statics are not dropped: the guard ends this one.
    static SERVER: OnceCell<Result<(Option<Server>, String), String>> = OnceCell::const_new();
    let server = SERVER.get_or_init(|| async {
        if let Ok(uri) = env::var("MONGODB_URI") {
            return Ok((None, uri));
        }
        Server::start().await.map(|server| {
            let uri = server.uri();
            (Some(server), uri)
        })
    });
    match server.await {
        Ok((_, uri)) => Some(uri),
        Err(reason) => {
            skipped(reason);
            None
        }
    }
}

/// Says past the test harness, which swallows what passing tests print, that something was not tested.
///
/// # Panics
/// In CI, where nothing may be left out.
pub fn skipped(reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: no MongoDB to test with: {reason}");
    assert!(env::var_os("CI").is_none(), "nothing may be skipped in CI: {reason}");
}

fn find() -> Result<PathBuf, String> {
    let named = env::var_os("SECANTUSD").map(PathBuf::from);
    let on_path =
        env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin");
    let places =
        named.into_iter().chain(on_path.chain([installed]).map(|folder| folder.join("secantusd-py")));
    places.into_iter().find(|place| place.is_file()).ok_or_else(|| {
        "neither MONGODB_URI is set nor 'secantusd-py' found; get it by \
         `python3 -m venv .venv && .venv/bin/pip install SecantusDB`"
            .to_owned()
    })
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on 127.0.0.1");
    listener.local_addr().expect("the address of a listener").port()
}
