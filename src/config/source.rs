//! Where settings come from, and what is said when they can't be used.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Profile};

use super::{Config, Secret, Secrets};
use crate::failpoint;

/// The well-known names and the keys they stand for.
const WELL_KNOWN: [(&str, &str); 6] = [
    ("TELEGRAM_API_URL", "telegram.api_url"),
    ("TELEGRAM_WEBHOOK_URL", "telegram.webhook_url"),
    ("OPENAI_BASE_URL", "llm.base_url"),
    ("OPENAI_MODEL", "llm.model"),
    ("MONGODB_DATABASE", "store.mongodb_database"),
    ("PORT", "http.port"),
];

/// The names of the secrets.
const SECRETS: [&str; 4] = ["TELEGRAM_BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET", "OPENAI_API_KEY", "MONGODB_URI"];

/// The file that is read when none is named, where it exists.
const DEFAULT_FILE: &str = "config.toml";

/// Settings that can't be used: each line says where, which key, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings can't be used:\n{}", .0.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// The environment's variables, taken once.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's own. Empty variables count as unset, and so do those that are no UTF-8.
    pub fn of_process() -> Self {
        let readable = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_pairs(readable)
    }

    /// One made of these pairs.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// A variable that looks like a setting and is none would be a setting that does nothing.
    fn check_names(&self) -> Result<(), ConfigError> {
        let odd = self
            .0
            .keys()
            .filter(|name| name.starts_with("BRIGADE_") && !name.contains("__") && !is_no_setting(name));
        let line = |name: &String| {
            format!(
                "environment variable {name}: a setting is BRIGADE_<SECTION>__<KEY>, with two underscores between"
            )
        };
        let lines: Vec<_> = odd.map(line).collect();
        if lines.is_empty() { Ok(()) } else { Err(ConfigError(lines)) }
    }

    /// A variable's value, when it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Variables that set nothing: the house's own, and those by which Kubernetes and Docker tell of a service that is
/// named `brigade` ("BRIGADE_SERVICE_HOST", "BRIGADE_PORT_8080_TCP_ADDR", "BRIGADE_NAME"). Fail points are none of
/// a release build's.
fn is_no_setting(name: &str) -> bool {
    let of_a_service = ["BRIGADE_SERVICE_", "BRIGADE_PORT", "BRIGADE_NAME", "BRIGADE_ENV_"];
    name == "BRIGADE_CONFIG"
        || of_a_service.iter().any(|start| name.starts_with(start))
        || (cfg!(debug_assertions) && name == failpoint::VARIABLE)
}

/// Reads all settings. The file is `file`, else `BRIGADE_CONFIG`, else `config.toml` in `folder`
/// where there is one.
///
/// # Errors
/// [`ConfigError`] with a line for everything that can't be used.
pub fn load(
    file: Option<&Path>,
    folder: &Path,
    environment: &Environment,
) -> Result<(Config, Secrets), ConfigError> {
    let secrets = secrets(environment)?;
    environment.check_names()?;
    let named = file.map(PathBuf::from).or_else(|| environment.get("BRIGADE_CONFIG").map(PathBuf::from));
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    match named {
        Some(path) if !path.is_file() => {
            return Err(ConfigError(vec![format!("{}: there is no such file", path.display())]));
        }
        Some(path) => figment = figment.merge(Toml::file_exact(path)),
        None if folder.join(DEFAULT_FILE).is_file() => {
            figment = figment.merge(Toml::file_exact(folder.join(DEFAULT_FILE)));
        }
        None => {}
    }
    let figment = with_environment(figment, environment);
    let config =
        figment.extract::<Config>().map_err(|errors| ConfigError(errors.into_iter().map(line).collect()))?;
    let impossible = config.impossible();
    if impossible.is_empty() {
        return Ok((config, secrets));
    }
    let lines = impossible.into_iter().map(|(key, value, allowed)| {
        let place = figment.find_metadata(key).map_or_else(|| "the defaults".to_owned(), place);
        format!("{place}: {key} is {value}; allowed is {allowed}")
    });
    Err(ConfigError(lines.collect()))
}

/// One provider for each variable, so that an error can name it.
fn with_environment(mut figment: Figment, environment: &Environment) -> Figment {
    let well_known =
        WELL_KNOWN.iter().filter_map(|(name, key)| Some((*name, (*key).to_owned(), environment.get(name)?)));
    let prefixed = environment.0.iter().filter_map(|(name, value)| {
        let key = name.strip_prefix("BRIGADE_").filter(|rest| rest.contains("__"))?;
        Some((name.as_str(), key.replace("__", ".").to_lowercase(), value.as_str()))
    });
    for (name, key, text) in prefixed.chain(well_known) {
        // What is a text by default stays one, whatever it looks like: a model may be named "7".
        let is_text = figment.find_value(&key).is_ok_and(|default| default.as_str().is_some());
        let value = if is_text { Value::from(text) } else { parse(text) };
        figment = figment.merge(Variable { name: name.to_owned(), key, value });
    }
    figment
}

/// A number, a list or a truth value where it looks like one, else a text.
fn parse(text: &str) -> Value {
    // Behind a letter like "é" figment takes an escape for another place than it has, and may panic.
    let is_misread = !text.is_ascii() && text.contains('"') && text.contains('\\');
    let text = if is_misread { Cow::from(in_ascii(text)) } else { Cow::from(text) };
    text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
}

/// The text with escapes for all that is not ASCII.
fn in_ascii(text: &str) -> String {
    let escape = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\U{:08x}", u32::from(c)) };
    text.chars().map(escape).collect()
}

/// One environment variable that sets one key.
struct Variable {
    name: String,
    key: String,
    value: Value,
}

impl figment::Provider for Variable {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::named(format!("environment variable {}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(&self.key, self.value.clone());
        Ok(Map::from([(Profile::Default, nested.into_dict().unwrap_or_default())]))
    }
}

fn line(error: figment::Error) -> String {
    let place = error.metadata.as_ref().map_or_else(|| "the settings".to_owned(), place);
    let key = error.path.join(".");
    let what = error.kind.to_string();
    if key.is_empty() { format!("{place}: {what}") } else { format!("{place}: {key}: {what}") }
}

fn place(metadata: &figment::Metadata) -> String {
    match metadata.source.as_ref().and_then(figment::Source::file_path) {
        Some(path) => path.display().to_string(),
        None => metadata.name.to_string(),
    }
}

fn secrets(environment: &Environment) -> Result<Secrets, ConfigError> {
    let mut wrong = Vec::new();
    let [bot_token, webhook_secret, api_key, mongodb_uri] =
        SECRETS.map(|name| match secret(environment, name) {
            Ok(secret) => secret,
            Err(line) => {
                wrong.push(line);
                None
            }
        });
    if webhook_secret.as_ref().is_some_and(|secret| !is_webhook_secret(secret.reveal())) {
        wrong.push("TELEGRAM_WEBHOOK_SECRET: allowed are 1 to 256 of A-Z a-z 0-9 _ -".to_owned());
    }
    if bot_token.as_ref().is_some_and(|token| bot_id(token.reveal()).is_none()) {
        wrong.push(
            "TELEGRAM_BOT_TOKEN: a token looks like 123456789:AAE...; copy it from @BotFather".to_owned(),
        );
    }
    match wrong.is_empty() {
        true => Ok(Secrets { bot_token, webhook_secret, api_key, mongodb_uri }),
        false => Err(ConfigError(wrong)),
    }
}

fn secret(environment: &Environment, name: &str) -> Result<Option<Secret>, String> {
    if let Some(value) = environment.get(name).map(str::trim).filter(|value| !value.is_empty()) {
        return Ok(Some(Secret::new(value)));
    }
    let Some(path) = environment.get(&format!("{name}_FILE")) else { return Ok(None) };
    match std::fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(Secret::new(text.trim()))),
        Ok(_) => Err(format!("{name}_FILE: the file {path} is empty")),
        Err(error) => Err(format!("{name}_FILE: the file {path} can't be read: {error}")),
    }
}

fn is_webhook_secret(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// The bot's id, which is the first part of its token.
pub(super) fn bot_id(token: &str) -> Option<i64> {
    let (id, rest) = token.split_once(':')?;
    let is_rest =
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    id.parse().ok().filter(|id| *id > 0 && is_rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::line::BeatStyle;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn what_kubernetes_says_of_a_service_is_no_setting() {
        let names =
            ["SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR", "NAME"];
        let pairs = names.map(|name| (format!("BRIGADE_{name}"), "tcp://10.0.0.1:8080".to_owned()));
        assert_eq!(Environment::from_pairs(pairs).check_names(), Ok(()));
    }

    #[test]
    fn escapes_behind_other_letters_than_ascii_are_read() {
        let paths = |text| {
            let loaded =
                load(None, Path::new("/nowhere"), &environment(&[("BRIGADE_LLM__INSTRUCTIONS", text)]));
            loaded.map(|(config, _)| config.llm.instructions).map_err(|error| error.to_string())
        };
        assert_eq!(paths(r#"["köche \"neu\".md"]"#), Ok(vec![PathBuf::from("köche \"neu\".md")]));
        assert_eq!(paths(r#"["köche.md"]"#), Ok(vec![PathBuf::from("köche.md")]));
        // Found by fuzzing: it panicked.
        assert!(paths("\"te+\u{fffd}\\ueleG\"").is_err());
    }

    fn from_file(text: &str, pairs: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, text).unwrap();
        let read = load(Some(&path), folder.path(), &environment(pairs)).map_err(|error| error.to_string());
        read.map(|(config, _)| config)
    }

    #[test]
    fn config_toml_holds_every_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
        let file: figment::value::Dict = Figment::from(Toml::file_exact(path)).extract().unwrap();
        let code: figment::value::Dict =
            Figment::from(Serialized::defaults(Config::default())).extract().unwrap();
        assert_eq!(format!("{:#?}", plain(&file.into())), format!("{:#?}", plain(&code.into())));
    }

    /// Without the library's tags and types of numbers.
    fn plain(value: &figment::value::Value) -> serde_json::Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn the_environment_overrides_a_partial_file() {
        let text = "[heartbeat]\nstyle = \"typing\"\n[http]\nport = 1\n[llm]\nmodel = \"a\"";
        let pairs =
            [("PORT", "9000"), ("BRIGADE_LLM__MODEL", "b"), ("BRIGADE_LLM__INSTRUCTIONS", "[\"x.md\"]")];
        let config = from_file(text, &pairs).unwrap();
        assert_eq!((config.http.port, config.heartbeat.style), (9000, BeatStyle::Typing));
        assert_eq!((config.llm.model.as_str(), config.llm.instructions.len()), ("b", 1));
        assert_eq!(config.delivery, super::super::Delivery::default());
    }

    #[test]
    fn a_text_that_looks_like_a_number_stays_a_text_where_one_is_wanted() {
        let config = from_file("", &[("OPENAI_MODEL", "7"), ("MONGODB_DATABASE", "true")]).unwrap();
        assert_eq!((config.llm.model.as_str(), config.store.mongodb_database.as_str()), ("7", "true"));
    }

    #[test]
    fn errors_name_the_place_the_key_and_what_is_allowed() {
        type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);
        let cases: [Case; 9] = [
            ("[http]\nprot = 1", &[], &["mine.toml", "prot", "port"]),
            ("[htpt]\nport = 1", &[], &["mine.toml", "htpt", "http"]),
            ("[http]\nport = \"x\"", &[], &["mine.toml", "http.port", "\"x\"", "u16"]),
            (
                "[delivery]\nchunk_chars = 5000",
                &[],
                &["mine.toml", "delivery.chunk_chars", "5000", "1 to 4096"],
            ),
            ("[heartbeat]\nstyle = \"loud\"", &[], &["mine.toml", "heartbeat.style", "loud", "typing"]),
            ("", &[("PORT", "70000")], &["PORT", "http.port", "70000", "u16"]),
            ("", &[("BRIGADE_LLM__MODLE", "x")], &["BRIGADE_LLM__MODLE", "modle", "model"]),
            ("not toml", &[], &["mine.toml"]),
            ("", &[("BRIGADE_HEARTBEAT_EVERY_MS", "1")], &["BRIGADE_HEARTBEAT_EVERY_MS", "two underscores"]),
        ];
        for (text, pairs, parts) in cases {
            let error = from_file(text, pairs).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "'{part}' is missing in: {error}");
            }
        }
        let error =
            load(Some(Path::new("none.toml")), Path::new("."), &environment(&[])).unwrap_err().to_string();
        assert!(error.contains("none.toml"), "{error}");
    }

    #[test]
    fn secrets_are_read_and_never_shown() {
        let token = "123:AAE-x_y";
        let pairs = [("TELEGRAM_BOT_TOKEN", token), ("OPENAI_API_KEY", "sk-1")];
        let (_, secrets) = load(None, Path::new("/nowhere"), &environment(&pairs)).unwrap();
        assert_eq!(secrets.bot_token.as_ref().unwrap().reveal(), token);
        assert!(!format!("{secrets:?}").contains("sk-1") && !format!("{secrets:?}").contains("AAE"));
        for pair in [
            ("TELEGRAM_BOT_TOKEN", "oops"),
            ("TELEGRAM_WEBHOOK_SECRET", "a b"),
            ("OPENAI_API_KEY_FILE", "/none"),
        ] {
            let error = load(None, Path::new("/nowhere"), &environment(&[pair])).unwrap_err().to_string();
            assert!(error.contains(pair.0) && !error.contains("oops"), "{error}");
        }
    }
}
