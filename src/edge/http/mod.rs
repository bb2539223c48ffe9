//! The web server: Telegram's webhook and the health check.
//!
//! 200 tells Telegram to forget the update, so it is said only when the update is on record, was
//! so before, or can never be handled. Everything else makes Telegram come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use subtle::ConstantTimeEq;

use super::intake::{Intake, Verdict};
use super::telegram::update::Update;

/// Where Telegram sends updates, below the public base address.
pub const WEBHOOK_PATH: &str = "/webhook";

/// The header in which Telegram sends the secret back.
pub const SECRET_HEADER: &str = "X-Telegram-Bot-Api-Secret-Token";

/// What the handlers share.
pub struct Gate {
    intake: Arc<dyn Intake>,
    secret: String,
    limits: BodyLimits,
    stopping: AtomicBool,
}

/// What a webhook's body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// Its bytes, at most.
    pub max_bytes: usize,
    /// How long it may take to come.
    pub timeout: Duration,
}

impl Gate {
    /// A gate that lets updates with `secret` in to `intake`.
    pub fn new(intake: Arc<dyn Intake>, secret: String, limits: BodyLimits) -> Self {
        Self { intake, secret, limits, stopping: AtomicBool::new(false) }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// From now on updates are refused and the health check fails, so that a load balancer sends
    /// nothing more.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// What Telegram is to send with every update.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    fn admits(&self, request: &HttpRequest) -> bool {
        let given = request.headers().get(SECRET_HEADER).map_or(&b""[..], |value| value.as_bytes());
        !given.is_empty() && bool::from(given.ct_eq(self.secret.as_bytes()))
    }
}

/// The routes: `POST /webhook` and `GET /healthz`.
pub fn routes(gate: Data<Gate>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(gate)
            .route(WEBHOOK_PATH, web::post().to(webhook))
            .route("/healthz", web::get().to(healthz));
    }
}

async fn webhook(request: HttpRequest, gate: Data<Gate>, payload: Payload) -> HttpResponse {
    if !gate.admits(&request) {
        return refuse(StatusCode::UNAUTHORIZED, "the secret is wrong or missing");
    }
    if gate.is_stopping() {
        return answer(Verdict::Stopping);
    }
    let update = match read_body(payload, gate.limits).await {
        Ok(body) => Update::from_json(&body),
        Err((status, why)) => return refuse(status, &why),
    };
    match update {
        Ok(update) => answer(gate.intake.take(update).await),
        Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn read_body(payload: Payload, limits: BodyLimits) -> Result<web::Bytes, (StatusCode, String)> {
    let BodyLimits { max_bytes, timeout } = limits;
    let Ok(read) = tokio::time::timeout(timeout, payload.to_bytes_limited(max_bytes)).await else {
        return Err((StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {timeout:?}")));
    };
    match read {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err((StatusCode::BAD_REQUEST, format!("the body can't be read: {error}"))),
        Err(_) => Err((StatusCode::PAYLOAD_TOO_LARGE, format!("the body is over {max_bytes} bytes"))),
    }
}

fn answer(verdict: Verdict) -> HttpResponse {
    let (retry_after_s, why) = match verdict {
        Verdict::Accepted | Verdict::Duplicate | Verdict::Ignored(_) => return HttpResponse::Ok().finish(),
        Verdict::Full => (1, "too many turns are in flight"),
        Verdict::StoreAway => (5, "the store is away"),
        Verdict::Stopping => (1, "the server is stopping"),
    };
    let mut response = HttpResponse::ServiceUnavailable();
    response.insert_header((RETRY_AFTER, retry_after_s)).body(why)
}

fn refuse(status: StatusCode, why: &str) -> HttpResponse {
    HttpResponse::build(status).body(why.to_owned())
}

async fn healthz(gate: Data<Gate>) -> HttpResponse {
    let json = |mut response: actix_web::HttpResponseBuilder, status: &'static str| {
        response
            .insert_header((CONTENT_TYPE, "application/json"))
            .body(format!("{{\"status\":\"{status}\"}}"))
    };
    match gate.is_stopping() {
        false => json(HttpResponse::Ok(), "ok"),
        true => json(HttpResponse::ServiceUnavailable(), "stopping"),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};
    use futures::future::BoxFuture;

    use super::*;

    const LIMITS: BodyLimits = BodyLimits { max_bytes: 1024, timeout: Duration::from_millis(50) };

    /// Answers by the update's id.
    struct Fixed;

    impl Intake for Fixed {
        fn take(&self, update: Update) -> BoxFuture<'static, Verdict> {
            let verdict = match update.id {
                1 => Verdict::Accepted,
                2 => Verdict::Duplicate,
                3 => Verdict::Ignored("odd"),
                4 => Verdict::Full,
                5 => Verdict::StoreAway,
                _ => Verdict::Stopping,
            };
            Box::pin(std::future::ready(verdict))
        }
    }

    async fn post(body: impl Into<web::Bytes>, secret: Option<&str>) -> (u16, Option<String>) {
        let gate = Data::new(Gate::new(Arc::new(Fixed), "right".into(), LIMITS));
        let app = init_service(actix_web::App::new().configure(routes(gate))).await;
        let mut request = TestRequest::post().uri("/webhook").set_payload(body.into());
        if let Some(secret) = secret {
            request = request.insert_header((SECRET_HEADER, secret));
        }
        let response = call_service(&app, request.to_request()).await;
        let wait = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), wait)
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let gate = Data::new(Gate::new(Arc::new(Fixed), "right".into(), LIMITS));
        let app = init_service(actix_web::App::new().configure(routes(gate))).await;
        let request = TestRequest::post().uri("/webhook").insert_header((SECRET_HEADER, "right"));
        let never = futures::stream::pending::<Result<web::Bytes, actix_web::error::PayloadError>>();
        let never = actix_web::dev::Payload::Stream { payload: Box::pin(never) as _ };
        let (request, _) = request.to_request().replace_payload(never);
        assert_eq!(call_service(&app, request).await.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn statuses() {
        for (body, secret, status) in [
            (r#"{"update_id":1}"#, None, 401),
            (r#"{"update_id":1}"#, Some(""), 401),
            (r#"{"update_id":1}"#, Some("wrong"), 401),
            (r#"{"update_id":1}"#, Some("right"), 200),
            (r#"{"update_id":2}"#, Some("right"), 200),
            (r#"{"update_id":3}"#, Some("right"), 200),
            (r#"{"update_id":"x"}"#, Some("right"), 400),
            ("<html>", Some("right"), 400),
            ("", Some("right"), 400),
        ] {
            assert_eq!(post(body, secret).await, (status, None), "{body} {secret:?}");
        }
        for update in 4..=6 {
            let (status, wait) = post(format!("{{\"update_id\":{update}}}"), Some("right")).await;
            assert_eq!((status, wait.is_some()), (503, true));
        }
        assert_eq!(post(vec![b' '; 1025], Some("right")).await.0, 413);
        assert_eq!(post(vec![b' '; 1025], None).await.0, 401);
    }
}
