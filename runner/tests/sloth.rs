//! Every `examples/*.sloth` gives the right result, against servers that the test starts.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::time::{Duration, Instant};

use support::server::{Response, Server};
use support::{Run, folder, root, sloth, stems};

/// Those that are run here.
const COVERED: [&str; 8] = [
    "crawler",
    "csv_batch",
    "etl",
    "health_check",
    "rolling_deploy",
    "test_goroutine",
    "test_goroutine_simple",
    "test_matrix",
];

fn run(name: &str, args: &[&str]) -> Run {
    sloth(&root(), &[&["run", &format!("examples/{name}.sloth")], args].concat())
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn every_example_is_covered() {
    assert_eq!(stems(&folder(), "sloth"), COVERED);
}

#[test]
fn the_simple_demonstration_ends_well() {
    let run = run("test_goroutine_simple", &[]);
    assert_eq!(run.status.code(), Some(0), "{run:#?}");
    assert_eq!(
        run.stdout,
        "sum of the squares: 385\nresults: FIRST, SECOND\na failure: false, as it should\ndone: 20, the last is 40\n"
    );
}

#[test]
fn the_full_demonstration_ends_well_under_every_backend() {
    for backend in support::BACKENDS {
        let run = run("test_goroutine", &["--backend", backend]);
        assert_eq!(run.status.code(), Some(0), "{run:#?}");
        assert_eq!(
            run.stdout,
            "web: web is up\nbroken: no answer from broken\ndatabase: database is up\neven: 3000, odd: 2980\n\
             7 tasks, all of them well\noutputs:\n  total: 5980\n"
        );
        let ok = run.stderr.lines().filter(|line| line.contains("  ok  ")).count();
        assert_eq!(ok, 7, "{run:#?}");
    }
}

#[test]
fn twenty_health_checks_of_a_second_take_about_a_second() {
    let server = Server::start(|request| match request.path.as_str() {
        "/broken" => Response::new(503, "out of order"),
        "/slow" => {
            std::thread::sleep(Duration::from_secs(8));
            Response::new(200, "at last")
        }
        _ => {
            std::thread::sleep(Duration::from_secs(1));
            Response::new(200, "fine")
        }
    });
    let mut values = String::from("limit: 15s\nservices:\n");
    for i in 1..=20 {
        let url = match i {
            5 | 15 => format!("{}/broken", server.url),
            7 => "http://127.0.0.1:1/".into(),
            _ => format!("{}/fine", server.url),
        };
        values += &format!("  - {{name: service-{i:02}, url: \"{url}\"}}\n");
    }
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("services.yaml");
    std::fs::write(&path, values).unwrap();
    // One after another they take 17 s.
    let begin = Instant::now();
    let health = run("health_check", &["-v", path.to_str().unwrap()]);
    let elapsed = begin.elapsed();
    assert_eq!(health.status.code(), Some(0), "{health:#?}");
    assert_eq!(
        health.stdout,
        "service-05: broken, status 503\nservice-07: down, no connection\nservice-15: broken, status 503\n\
         outputs:\n  broken: 2\n  down: 1\n  up: 17\n"
    );
    assert!(elapsed >= Duration::from_secs(1) && elapsed < Duration::from_secs(10), "{elapsed:?}");

    std::fs::write(
        &path,
        format!("limit: 200ms\nservices:\n  - {{name: slow, url: \"{}/slow\"}}\n", server.url),
    )
    .unwrap();
    let health = run("health_check", &["-v", path.to_str().unwrap()]);
    assert_eq!(health.status.code(), Some(1), "{health:#?}");
    assert!(health.stdout.starts_with("slow: down, no answer in time\n"), "{health:#?}");
}

#[test]
fn the_deployment_retries_and_skips_what_depends_on_a_failure() {
    let deployment = run("rolling_deploy", &["-p", "version=2.1"]);
    assert_eq!(deployment.status.code(), Some(1), "{deployment:#?}");
    assert_eq!(
        deployment.stdout,
        "[build] building 2.1\ngave up: connection to db-02 lost\nnot deployed: deploy db-02\n"
    );
    let table: Vec<_> =
        deployment.stderr.lines().skip_while(|line| !line.starts_with("task ")).skip(1).collect();
    let words: Vec<Vec<_>> = table.iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table.len(), 8, "{deployment:#?}");
    for line in &words {
        let (name, status, attempts) = match line[0] {
            "deploy" | "switch" => (line[1], line[2], line[3]),
            name => (name, line[1], line[2]),
        };
        let expected = match name {
            "db-01" => ("ok", "3"),
            "db-02" => ("failed", "3"),
            "web-02" => ("ok", "2"),
            "traffic" => ("skipped", "0"),
            _ => ("ok", "1"),
        };
        assert_eq!((status, attempts), expected, "{name}");
    }

    let deployment = run("rolling_deploy", &["-p", "spare=db-02"]);
    assert_eq!(deployment.status.code(), Some(0), "{deployment:#?}");
    assert!(
        deployment.stdout.contains("traffic goes to 5 servers, after 8 attempts\ndeployed\n"),
        "{deployment:#?}"
    );
}

#[test]
fn the_batch_adds_up_as_rust_does() {
    let files = tempfile::tempdir().unwrap();
    let report = files.path().join("report.json");
    let batch = run("csv_batch", &["-p", &format!("report={}", report.display())]);
    assert_eq!(batch.status.code(), Some(0), "{batch:#?}");
    let orders = std::fs::read_to_string(folder().join("data/orders.csv")).unwrap();
    let mut regions = std::collections::BTreeMap::<&str, f64>::new();
    for line in orders.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        if let (Ok(price), Ok(count)) = (fields[2].parse::<f64>(), fields[3].parse::<f64>()) {
            *regions.entry(fields[1]).or_default() += price * count;
        }
    }
    let mut expected = String::new();
    for (region, amount) in &regions {
        expected += &format!("{region:<6} {amount:8.2}\n");
    }
    assert_eq!(batch.stdout, expected + "refused: 13, 27\n");
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report["refused"], serde_json::json!(["13", "27"]));
    assert_eq!(report["regions"].as_object().unwrap().len(), 4);
}

#[test]
fn the_etl_pipeline_counts_every_line_once() {
    let etl = run("etl", &[]);
    assert_eq!(etl.status.code(), Some(0), "{etl:#?}");
    assert_eq!(
        etl.stdout,
        "refused: 3\nusers:\n  ada:\n    cents: 3000\n    events: 19\n  bob:\n    cents: 2500\n    events: 19\n  \
         cleo:\n    cents: 3500\n    events: 19\n"
    );
    let missing = run("etl", &["-p", "input=nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        missing.stderr.contains("extract: failed in") && missing.stderr.contains("nowhere: no such file"),
        "{missing:#?}"
    );
}

#[test]
fn the_matrix_overlaps_and_names_what_fails() {
    let matrix = run("test_matrix", &[]);
    assert_eq!(matrix.status.code(), Some(1), "{matrix:#?}");
    let expected = "[large-debug] testing large in debug\n[large-release] testing large in release\n\
                    [large-strict] testing large in strict\n[small-debug] testing small in debug\n\
                    [small-release] testing small in release\n[small-strict] testing small in strict\n\
                    large-debug: ok\nlarge-release: ok\nlarge-strict: failed, exit code 4: out of range\nsmall-debug: ok\n\
                    small-release: ok\nsmall-strict: ok\n";
    assert_eq!(sorted(&matrix.stdout), expected.lines().collect::<Vec<_>>());
    assert!(matrix.stderr.contains("[large-strict] out of range\n"), "{matrix:#?}");
}

#[test]
fn the_crawler_finds_every_page_once_and_leaves_a_failing_site_alone() {
    let site = Server::start(|request| {
        let links =
            |paths: &[&str]| paths.iter().map(|path| format!("<a href=\"{path}\">")).collect::<String>();
        match request.path.as_str() {
            "/" => Response::new(200, links(&["/a", "/b", "/"])),
            "/a" => Response::new(200, links(&["/b", "/c", "/missing"])),
            "/b" => Response::new(200, links(&["/a"])),
            "/c" => Response::new(200, "the end"),
            _ => Response::new(404, "no"),
        }
    });
    let found = run("crawler", &["-p", &format!("start={}/", site.url)]);
    assert_eq!(found.status.code(), Some(0), "{found:#?}");
    assert_eq!(found.stdout, "found: / /a /b /c\n4 pages, 1 failed, 0 not asked for any more\n");

    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    let failing = Server::start(move |request| {
        if request.path == "/" {
            return Response::new(
                200,
                (0..40).map(|page| format!("<a href=\"/{page}\">")).collect::<String>(),
            );
        }
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Response::new(500, "broken")
    });
    let found = run("crawler", &["-p", &format!("start={}/", failing.url)]);
    assert!(found.stdout.starts_with("found: /\n1 pages, "), "{found:#?}");
    let asked = asked.load(std::sync::atomic::Ordering::SeqCst);
    assert!((3..30).contains(&asked), "asked {asked} times");
}
