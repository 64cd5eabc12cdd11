//! The page of a real engine, over real HTTP: it says what the API says, at once, and what people ask for
//! on it is done and has their name. The client here is a few lines of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_model::Value;
use holdfast_model::view::Sight;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::proxy::{Fault, FaultProxy};
use serde_json::json;

use crate::scenario;
use crate::shop::{STACKS, Shop};

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(180);
pub(crate) const PAGE: [&str; 3] = ["--page", "127.0.0.1:0", "--page-actions"];
const WEB_PATH: &str = "/apis/apps/v1/namespaces/default/deployments/web";

/// An answer: the code, the head and the text.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

/// The page of an engine, and the cookie that it gave.
pub(crate) struct Page {
    pub(crate) address: String,
    pub(crate) cookie: String,
}

impl Page {
    /// Waits until the engine has written down where its page is.
    pub(crate) async fn of(shop: &Shop) -> anyhow::Result<Self> {
        let file = shop.data().join("page");
        let wait = async {
            loop {
                match std::fs::read_to_string(&file) {
                    Ok(text) if text.ends_with('\n') => return text,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let text = tokio::time::timeout(PATIENCE, wait).await?;
        let address = text.trim().strip_prefix("http://");
        Ok(Self {
            address: address.context("it is an address")?.to_owned(),
            cookie: String::new(),
        })
    }

    fn connect(&self, request: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        Ok(stream)
    }

    pub(crate) fn send(&self, request: &str) -> anyhow::Result<Answer> {
        let mut bytes = Vec::new();
        self.connect(request)?.read_to_end(&mut bytes)?;
        let all = String::from_utf8(bytes)?;
        let (head, text) = all.split_once("\r\n\r\n").context("it has a head")?;
        let code = head.split(' ').nth(1).context("it has a code")?.parse()?;
        Ok(Answer {
            code,
            head: head.to_owned(),
            text: text.to_owned(),
        })
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
            self.address, self.cookie
        ))
    }

    /// What is shown to people: the text of a page without its markup.
    fn words(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.get(path)?;
        anyhow::ensure!(answer.code == 200, "{path}: {}", answer.head);
        let mut words = String::new();
        for part in answer.text.split('<').skip(1) {
            let (_, text) = part.split_once('>').context("a tag ends")?;
            words.push_str(text);
        }
        Ok(words
            .replace("&#38;", "&")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#39;", "'")
            .replace("&#34;", "\""))
    }

    /// Waits until a page has some words.
    pub(crate) async fn wait(&self, path: &str, wanted: &str) -> anyhow::Result<String> {
        let mut last = String::new();
        let wait = async {
            loop {
                last = self.words(path)?;
                if last.contains(wanted) {
                    return Ok(last.clone());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(result) => result,
            Err(_) => anyhow::bail!("{path} never says {wanted}: {last}"),
        }
    }

    /// Opens the question of a command and sends its form; the page that comes of it.
    pub(crate) fn ask(&mut self, path: &str, more: &str) -> anyhow::Result<(String, Answer)> {
        let question = self.get(path)?;
        anyhow::ensure!(
            question.code == 200,
            "{path}: {} {}",
            question.head,
            question.text
        );
        let cookie = question
            .head
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.context("it gives a cookie")?;
        let given = cookie.split(';').next().unwrap_or_default();
        let own = self
            .cookie
            .split("; ")
            .filter(|own| own.starts_with("holdfast-session"));
        let cookies: Vec<&str> = std::iter::once(given).chain(own).collect();
        self.cookie = cookies.join("; ");
        let field = |name: &str| {
            let start = format!("name=\"{name}\" value=\"");
            let rest = question
                .text
                .split_once(&start)
                .context("it has the field")?
                .1;
            rest.split('"').next().context("it ends")
        };
        let body = format!(
            "form={}&token={}&of={}{more}",
            field("form")?,
            field("token")?,
            field("of")?
        );
        let path = path.split('?').next().unwrap_or(path);
        let sent = self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {}\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.cookie,
            body.len(),
            host = self.address,
        ))?;
        anyhow::ensure!(sent.code == 303, "{}: {}", sent.head, sent.text);
        let to = sent
            .head
            .lines()
            .find_map(|line| line.strip_prefix("location: "));
        let done = self.get(to.context("it leads somewhere")?)?;
        Ok((question.text, done))
    }
}

/// A stream of changes, as an open page hears it.
pub(crate) struct Stream(BufReader<TcpStream>);

impl Stream {
    pub(crate) fn of(page: &Page, path: &str) -> anyhow::Result<Self> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n",
            page.address, page.cookie
        );
        Ok(Self(BufReader::new(page.connect(&request)?)))
    }

    /// What is said next.
    pub(crate) fn heard(&mut self) -> anyhow::Result<String> {
        loop {
            let mut line = String::new();
            anyhow::ensure!(self.0.read_line(&mut line)? > 0, "the stream ended");
            if line.starts_with("data: ") {
                return Ok(line);
            }
        }
    }
}

fn web(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 2\n  selector:\n    \
         matchLabels: {{app: web}}\n  template:\n    metadata:\n      labels: {{app: web}}\n    spec:\n      \
         containers:\n      - name: web\n        image: registry.example/web:{image}\n"
    )
}

fn put(shop: &Shop, image: &str) -> anyhow::Result<String> {
    shop.repository.write("web.yaml", &web(image))?;
    shop.put(&format!("text {image}"))
}

/// What the API says of the Stack has to be what the page says.
async fn agrees(shop: &Shop, page: &Page) -> anyhow::Result<()> {
    let mut last = String::new();
    let wait = async {
        loop {
            // What changes between the two is asked for again.
            let stack = shop.api.get(&format!("{STACKS}/s")).await?;
            let words = page.words("/stacks/default/s")?;
            let list = page.words("/")?;
            let history = page.words("/stacks/default/s/history")?;
            let said = find_condition(&stack, "Ready", "message");
            let applied = stack
                .pointer("/status/applied/commit")
                .and_then(Value::as_str);
            let applied = applied.unwrap_or_default().get(..12).unwrap_or("none");
            let done = stack
                .pointer("/status/history/0/summary")
                .and_then(Value::as_str);
            let done = done.unwrap_or("nothing");
            let is_so = words.contains(said)
                && list.contains(said)
                && list.contains(applied)
                && history.contains(done);
            if is_so {
                return anyhow::Ok(());
            }
            last = format!("{said}\n{applied}\n{done}\n{words}\n{list}\n{history}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(result) => result,
        Err(_) => anyhow::bail!("page and API do not agree: {last}"),
    }
}

#[test]
fn the_page_says_what_the_api_says_at_once_and_what_is_asked_for_on_it_is_done() {
    crate::block_on(async {
        let shop = Shop::start_with(&PAGE).await?;
        let mut page = Page::of(&shop).await?;
        page.wait("/", "There are no Stacks yet").await?;
        let first = put(&shop, "1")?;
        shop.stack(json!({})).await?;
        shop.wait(&first, "Succeeded").await?;
        agrees(&shop, &page).await?;
        page.wait("/stacks/default/s", "2 objects as they should be")
            .await?;

        // An open page hears of drift, and it is shown whose it was.
        let mut stream = Stream::of(&page, "/events/default/s")?;
        stream.heard()?;
        let scale = json!({"spec": {"replicas": 9}});
        shop.api
            .merge(&format!("{WEB_PATH}/scale"), "alice", &scale)
            .await?;
        assert!(stream.heard()?.contains("\"stack\":\"default/s\""));
        page.wait("/stacks/default/s/history", "replicas changed by alice")
            .await?;
        agrees(&shop, &page).await?;

        // What breaks comes first, with the words of its pods.
        put(&shop, "broken")?;
        page.wait("/stacks/default/s", "Problems").await?;
        page.wait("/?state=failing", "ImagePull").await?;
        agrees(&shop, &page).await?;
        let plan = page.words("/stacks/default/s/plan")?;
        assert!(plan.contains("+ registry.example/web:broken"), "{plan}");

        // It is undone by a form, which shows what it does first, and it is written down who asked.
        let path = format!("/stacks/default/s/ask/rollback?of={first}");
        let (question, done) = page.ask(&path, "&reason=the+image+is+broken")?;
        assert!(
            question.contains("registry.example") || question.contains("Deployment.apps"),
            "{question}"
        );
        assert!(done.text.contains("goes back to"), "{}", done.text);
        let is_back = |web: Option<&Value>| {
            let image = web.and_then(|web| web.pointer("/spec/template/spec/containers/0/image"));
            image == Some(&json!("registry.example/web:1"))
        };
        shop.api.wait(WEB_PATH, "back at web:1", is_back).await?;
        let stack = shop.wait(&first, "Pinned").await?;
        let pin = &stack["status"]["pin"];
        assert_eq!(
            pin["reason"], "the image is broken; on the page",
            "{stack:#}"
        );
        let by = pin["by"].as_str().context("it is said who asked")?;
        page.wait("/stacks/default/s", &format!("by {by}")).await?;
        agrees(&shop, &page).await
    });
}

#[test]
fn what_is_suspended_resumed_and_deleted_on_the_page_is_so() {
    crate::block_on(async {
        let shop = Shop::start_with(&PAGE).await?;
        let mut page = Page::of(&shop).await?;
        let first = put(&shop, "1")?;
        shop.stack(json!({})).await?;
        shop.wait(&first, "Succeeded").await?;
        page.wait("/stacks/default/s", "Suspend").await?;
        let (_, done) = page.ask("/stacks/default/s/ask/suspend", "&reason=we+move")?;
        assert!(done.text.contains("is suspended"), "{}", done.text);
        shop.wait(&first, "Suspended").await?;
        page.wait("/stacks/default/s", "(we move; on the page)")
            .await?;
        let second = put(&shop, "2")?;
        let (question, _) = page.ask("/stacks/default/s/ask/resume", "")?;
        assert!(
            question.contains("Git changed"),
            "what it applies is shown: {question}"
        );
        shop.wait(&second, "Succeeded").await?;
        agrees(&shop, &page).await?;

        let other = page.ask("/stacks/default/s/ask/delete", "&name=other");
        assert!(other.is_err(), "another name deletes nothing");
        let (question, done) = page.ask("/stacks/default/s/ask/delete", "&name=s")?;
        assert!(question.contains("and these objects with it"), "{question}");
        assert!(done.text.contains("is being deleted"), "{}", done.text);
        page.wait("/", "There are no Stacks yet").await?;
        let gone = shop.api.wait(WEB_PATH, "gone", |web| web.is_none()).await;
        gone.map(drop)
    });
}

#[test]
fn the_page_is_found_and_no_other_machine_can_reach_it() {
    crate::block_on(async {
        let shop = Shop::start_with(&["--page", "127.0.0.1:0"]).await?;
        let page = Page::of(&shop).await?;
        let data = shop.data().display().to_string();
        let url = format!("http://{}/stacks/default/s", page.address);
        shop.says(&["open", "s", "--data", &data], &[&url])?;
        let first = put(&shop, "1")?;
        shop.stack(json!({})).await?;
        shop.wait(&first, "Succeeded").await?;
        // Without --page-actions it shows, and does nothing.
        let words = page.wait("/stacks/default/s", "is in place").await?;
        assert!(!words.contains("Roll back"), "{words}");
        assert_eq!(page.get("/stacks/default/s/ask/sync")?.code, 403);
        let elsewhere = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
        assert_eq!(page.send(elsewhere)?.code, 421);

        let folder = tempfile::tempdir()?;
        let folder = folder.path().display().to_string();
        let run = [
            "run",
            "--embedded",
            "--data",
            &folder,
            "--page",
            "0.0.0.0:0",
        ];
        shop.ends(&run, 1, "nobody would have to sign in")?;
        let nowhere = ["open", "--page", "127.0.0.1:1"];
        shop.ends(&nowhere, 1, "nobody answers on http://127.0.0.1:1")
    });
}

scenario!(an_engine_that_hears_nothing_says_since_when_and_catches_up);
async fn an_engine_that_hears_nothing_says_since_when_and_catches_up(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let proxy = FaultProxy::start(bed.client().await?).await?;
    let stage = Stage::through(&bed, "page-blind", proxy.client()?).await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let first = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &first).await?;
    let view = stage.view().context("an engine runs")?;
    let sees = async |wanted: fn(Sight) -> bool| {
        let wait = async {
            while !wanted(view.fleet().sight) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.with_context(|| format!("{:?}", view.fleet().sight))
    };
    sees(|sight| sight == Sight::Clear).await?;

    // A watch that is being opened just then is dropped the next time.
    proxy.fail(1, &[Fault::Reset]);
    let dropping = async {
        loop {
            proxy.drop_watches();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        seen = sees(|sight| matches!(sight, Sight::Blind(_))) => seen?,
        () = dropping => {}
    }
    let suspend = json!({"spec": {"suspend": true}});
    stage
        .api
        .merge(&stage.stack_path("s"), "alice", &suspend)
        .await?;
    let stacks = view.fleet().stacks.clone();
    assert!(
        stacks.len() == 1 && !stacks[0].stack.suspended,
        "what was known stays"
    );

    proxy.fail(0, &[]);
    sees(|sight| sight == Sight::Clear).await?;
    let key = stacks[0].stack.key.clone();
    let wait = async {
        while !view.stack(&key).is_some_and(|view| view.stack.suspended) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await?;
    Ok(())
}

/// The browser of this machine; none, loudly, where there is none.
#[expect(clippy::print_stdout, reason = "what is left out is told")]
fn browser() -> Option<Command> {
    let program = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| {
            let mut version = Command::new(name);
            version
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            version.status().is_ok_and(|status| status.success())
        });
    if program.is_none() {
        println!("left out: there is no chromium here; apt-get install chromium");
    }
    program.map(Command::new)
}

/// A page as a browser has it on a small screen, and what the browser logs.
fn look(url: &str) -> anyhow::Result<(String, String)> {
    let profile = tempfile::tempdir()?;
    let output = browser()
        .context("there is a browser")?
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args([
            "--enable-logging=stderr",
            "--window-size=360,800",
            "--timeout=3000",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&output.stdout), text(&output.stderr)))
}

#[test]
fn a_browser_shows_the_page_runs_its_script_and_keeps_to_its_policy() {
    crate::block_on(async {
        if browser().is_none() {
            return Ok(());
        }
        let shop = Shop::start_with(&PAGE).await?;
        let page = Page::of(&shop).await?;
        let first = put(&shop, "1")?;
        shop.stack(json!({})).await?;
        shop.wait(&first, "Succeeded").await?;
        // It prints a page as soon as it is loaded, which may be before it has heard from the engine.
        let (mut dom, mut log) = (String::new(), String::new());
        for _ in 0..30 {
            (dom, log) = look(&format!("http://{}/stacks/default/s", page.address))?;
            if dom.contains("class=\"sight live\"") {
                break;
            }
        }
        anyhow::ensure!(dom.contains("is in place"), "{dom}\n{log}");
        anyhow::ensure!(dom.contains("class=\"scripted\""), "{dom}\n{log}");
        anyhow::ensure!(dom.contains("class=\"sight live\""), "{dom}\n{log}");
        anyhow::ensure!(!log.contains("Content Security Policy"), "{log}");
        Ok(())
    });
}
