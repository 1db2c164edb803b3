//! The module `http`: HTTP/1.1, and HTTPS with certificate checks. Connections are kept for all states of the runtime together.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mlua::{Lua, Table, Value};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Url};
use tokio::sync::Semaphore;

use super::Module;
use super::args::{Args, Options};
use crate::convert;
use crate::shared::Shared;

/// How many requests are on their way at once; others wait. As many connections to a host may be idle: one that has served its
/// request may come back just after the next request has opened another, so there are up to twice as many, 100.
const CONNECTIONS: usize = 50;
/// How long a request may take unless it says otherwise, from when it is sent.
const TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS: usize = 10;
/// How much of a body is taken in unless `max_size` says otherwise.
const MAX_SIZE: usize = 64 << 20;

const OPTIONS: [&str; 8] = ["headers", "timeout", "body", "json", "query", "auth", "follow", "max_size"];

/// What sends requests. Made with the first one.
#[derive(Debug)]
pub(crate) struct Clients {
    made: OnceLock<Result<(Client, Client), String>>,
    room: Arc<Semaphore>,
}

/// What is to be sent.
struct Wanted {
    request: RequestBuilder,
    timeout: Duration,
    max_size: usize,
    room: Arc<Semaphore>,
}

/// What came back.
struct Answer {
    status: reqwest::StatusCode,
    headers: reqwest::header::HeaderMap,
    body: Vec<u8>,
    elapsed: Duration,
}

impl Default for Clients {
    fn default() -> Self {
        Self { made: OnceLock::new(), room: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

impl Clients {
    /// One that follows redirects, or one that does not.
    fn get(&self, follow: bool) -> Result<&Client, String> {
        let made = self.made.get_or_init(|| {
            // Another one is installed only if this has happened before.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let make = |policy| {
                let builder =
                    Client::builder().user_agent(concat!("sloth-runner/", env!("CARGO_PKG_VERSION")));
                builder
                    .pool_max_idle_per_host(CONNECTIONS)
                    .redirect(policy)
                    .build()
                    .map_err(|error| chain(&error))
            };
            Ok((make(Policy::limited(REDIRECTS))?, make(Policy::none())?))
        });
        let (following, plain) = made.as_ref().map_err(Clone::clone)?;
        Ok(if follow { following } else { plain })
    }
}

pub(super) fn install(lua: &Lua, shared: &Arc<Shared>) -> mlua::Result<()> {
    let module = Module::new(lua, shared)?;
    for (name, method) in
        [("http.get", Method::GET), ("http.delete", Method::DELETE), ("http.head", Method::HEAD)]
    {
        add(&module, name, move |lua, shared, args| {
            let options = args.options(2, &OPTIONS)?;
            wanted(lua, shared, method.clone(), &args.text(1)?, &options, None)
        })?;
    }
    for (name, method) in
        [("http.post", Method::POST), ("http.put", Method::PUT), ("http.patch", Method::PATCH)]
    {
        add(&module, name, move |lua, shared, args| {
            let options = args.options(3, &OPTIONS)?;
            let body = match args.value(2) {
                Value::Nil => None,
                Value::Table(_) => {
                    return Err(args.bad(2, "string expected, got table; the option 'json' sends one"));
                }
                _ => Some(args.bytes(2)?),
            };
            wanted(lua, shared, method.clone(), &args.text(1)?, &options, body)
        })?;
    }
    add(&module, "http.request", |lua, shared, args| {
        let known: Vec<_> = OPTIONS.into_iter().chain(["method", "url"]).collect();
        let options = args.options(1, &known)?;
        let Some(url) = options.text("url")? else {
            return Err(options.bad("url", "there is none"));
        };
        let method = options.text("method")?.unwrap_or_else(|| "GET".into()).to_uppercase();
        let Ok(method) = Method::from_bytes(method.as_bytes()) else {
            return Err(options.bad("method", &format!("'{method}' is none")));
        };
        wanted(lua, shared, method, &url, &options, None)
    })?;
    module.finish("http")
}

fn add(
    module: &Module<'_>,
    name: &'static str,
    wanted: impl Fn(&Lua, &Arc<Shared>, &Args) -> mlua::Result<Result<Wanted, String>> + 'static,
) -> mlua::Result<()> {
    module.waiting(
        name,
        move |lua, shared, args| {
            let wanted = wanted(lua, shared, &args)?;
            shared.io.start(async move { send(wanted?).await })
        },
        |lua, answer| answer.to_lua(lua),
    )
}

/// The outer error is a wrong call's, the inner one for the script to see.
fn wanted(
    lua: &Lua,
    shared: &Arc<Shared>,
    method: Method,
    url: &str,
    options: &Options,
    body: Option<Vec<u8>>,
) -> mlua::Result<Result<Wanted, String>> {
    let follow = options.flag("follow")?.unwrap_or(true);
    let (query, headers) = (options.fields("query")?, options.fields("headers")?);
    let begun = shared.http.get(follow).and_then(|client| Ok((client, parse(url)?, checked(&headers)?)));
    let (client, url, headers) = match begun {
        Ok(begun) => begun,
        Err(why) => return Ok(Err(why)),
    };
    let has_type = headers.contains_key("content-type");
    let mut request = client.request(method, url).query(&query).headers(headers);
    let mut body = match (body, options.bytes("body")?) {
        (Some(_), Some(_)) => return Err(options.bad("body", "there is a body already")),
        (argument, option) => argument.or(option),
    };
    match options.get("json")? {
        Value::Nil => {}
        value => {
            let json = convert::from_lua(lua, &value).map_err(|why| options.bad("json", &why))?;
            if body.is_some() {
                return Err(options.bad("json", "there is a body already"));
            }
            let json = json.to_string().into_bytes();
            if !has_type {
                request = request.header("content-type", "application/json");
            }
            body = Some(json);
        }
    }
    if let Some(body) = body {
        request = request.body(body);
    }
    if let Some(auth) = options.table("auth")? {
        let field = |name: &str| auth.raw_get::<Option<String>>(name);
        request = match (field("username")?, field("password")?, field("token")?) {
            (Some(username), password, None) => request.basic_auth(username, password),
            (None, None, Some(token)) => request.bearer_auth(token),
            _ => {
                return Err(options.bad("auth", "{username = ..., password = ...} or {token = ...} expected"));
            }
        };
    }
    Ok(Ok(Wanted {
        request,
        timeout: options.limit("timeout")?.unwrap_or(TIMEOUT),
        max_size: options.size("max_size")?.unwrap_or(MAX_SIZE),
        room: Arc::clone(&shared.http.room),
    }))
}

fn parse(url: &str) -> Result<Url, String> {
    match url.parse::<Url>() {
        Ok(parsed) if ["http", "https"].contains(&parsed.scheme()) => Ok(parsed),
        Ok(parsed) => Err(format!("'{url}' is no URL of HTTP: it begins with {}:", parsed.scheme())),
        Err(error) => Err(format!("'{url}' is no URL: {error}")),
    }
}

/// The headers, if they can be sent.
fn checked(headers: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut checked = HeaderMap::new();
    for (name, value) in headers {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => checked.append(name, value),
            (Err(_), _) => return Err(format!("'{name}' cannot be the name of a header")),
            (_, Err(_)) => return Err(format!("the value of the header '{name}' cannot be sent")),
        };
    }
    Ok(checked)
}

async fn send(wanted: Wanted) -> Result<Answer, String> {
    let Wanted { request, timeout, max_size, room } = wanted;
    let _room = room.acquire_owned().await.map_err(|error| error.to_string())?;
    let begin = Instant::now();
    let exchange = async {
        let mut response = request.send().await.map_err(|error| chain(&error) + &proxy(&error))?;
        let too_large = || format!("the response is larger than {max_size} bytes");
        if response.content_length().is_some_and(|length| length > max_size as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error))? {
            if body.len() + chunk.len() > max_size {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body, elapsed: begin.elapsed() })
    };
    tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| Err("timeout exceeded".into()))
}

impl Answer {
    fn to_lua(&self, lua: &Lua) -> mlua::Result<Table> {
        let headers = lua.create_table()?;
        for name in self.headers.keys() {
            let values: Vec<_> = self.headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
            headers.raw_set(name.as_str(), lua.create_string(values.join(&b", "[..]))?)?;
        }
        let answer = lua.create_table()?;
        answer.raw_set("status_code", self.status.as_u16())?;
        answer.raw_set("status", self.status.to_string())?;
        answer.raw_set("ok", self.status.is_success())?;
        answer.raw_set("elapsed_ms", self.elapsed.as_secs_f64() * 1000.0)?;
        answer.raw_set("headers", headers)?;
        answer.raw_set("body", lua.create_string(&self.body)?)?;
        let kind = self.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.contains("json")
            && let Ok(json) = serde_json::from_slice(&self.body)
        {
            answer.raw_set("json", convert::to_lua(lua, &json)?)?;
        }
        Ok(answer)
    }
}

/// What the environment says of a proxy, if there was no connection: it may be that one which is not there.
fn proxy(error: &reqwest::Error) -> String {
    let Some(url) = error.url().filter(|_| error.is_connect()) else { return String::new() };
    let names =
        if url.scheme() == "https" { ["https_proxy", "HTTPS_PROXY"] } else { ["http_proxy", "HTTP_PROXY"] };
    let set = names.into_iter().chain(["all_proxy", "ALL_PROXY"]).find_map(|name| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
        // Without the name and the password that it may hold.
        let address = value.rsplit_once('@').map_or(value.as_str(), |(_, address)| address).to_owned();
        Some(format!(" ({name} is set, to {address})"))
    });
    set.unwrap_or_default()
}

/// An error with what caused it, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
