//! The command line, and one run after the other.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::ends::{Input, copy, receive, send};
use crate::output::Output;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    Copy,
    Plain,
    Sealed,
    Hashed,
}

impl Variant {
    const NAMES: [(&str, Self); 4] =
        [("copy", Self::Copy), ("plain", Self::Plain), ("sealed", Self::Sealed), ("hashed", Self::Hashed)];

    fn parse(name: &str) -> Self {
        let found = Self::NAMES.into_iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| usage(&format!("there is no variant {name}"))).1
    }
}

struct Options {
    file: Option<PathBuf>,
    made_mib: u64,
    to: PathBuf,
    variants: Vec<String>,
    lanes: Vec<usize>,
    direct: bool,
}

pub fn main() -> io::Result<()> {
    // cargo adds this one of its own.
    let mut args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|first| first == "receive") {
        return receiver(&args);
    }
    let options = Options::parse(&mut args);
    let made = options.to.join(format!("ceiling-{}.in", process::id()));
    let file =
        options.file.clone().map_or_else(|| make_file(&made, options.made_mib).map(|()| made.clone()), Ok)?;
    let result = run_all(&options, &file);
    if options.file.is_none() {
        fs::remove_file(made)?;
    }
    result
}

fn run_all(options: &Options, file: &Path) -> io::Result<()> {
    for name in &options.variants {
        for &lanes in &options.lanes {
            // A file that was asked for stays, under its name, for whoever wants to compare it.
            let to = options.to.join(match &options.file {
                Some(file) => file.file_name().unwrap_or_else(|| usage("--file is no file")).to_owned(),
                None => format!("ceiling-{}.out", process::id()).into(),
            });
            let input = Input::new(File::open(file)?)?;
            let (size, variant) = (input.size, Variant::parse(name));
            let took = if variant == Variant::Copy {
                run_copy(&input, &to, lanes, options.direct)
            } else {
                run_sender(&input, &to, name, lanes, options.direct)
            }?;
            if options.file.is_none() {
                fs::remove_file(to)?;
            }
            let (seconds, write) = (took.as_secs_f64(), if options.direct { "direct" } else { "cached" });
            let rate = size as f64 / 1e6 / seconds;
            println!(
                r#"{{"variant":"{name}","lanes":{lanes},"write":"{write}","bytes":{size},"seconds":{seconds:.4},"megabytesPerSecond":{rate:.1}}}"#
            );
        }
    }
    Ok(())
}

/// Counts from the first byte read, when everything is connected, until the other end has written the last one.
fn run_sender(input: &Input, to: &Path, variant: &str, lanes: usize, direct: bool) -> io::Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (port, size) = (listener.local_addr()?.port().to_string(), input.size.to_string());
    let mut other_end = Command::new(env::current_exe()?)
        .args(["receive", &port, &size, variant, &lanes.to_string(), &direct.to_string()])
        .arg(to)
        .spawn()?;
    let streams: Vec<_> = (0..lanes).map(|_| accept(&listener)).collect::<io::Result<_>>()?;
    let started = Instant::now();
    on_threads(streams, |stream| send(input, stream, Variant::parse(variant)))?;
    let took = started.elapsed();
    if other_end.wait()?.success() { Ok(took) } else { Err(io::Error::other("the receiving end failed")) }
}

fn run_copy(input: &Input, to: &Path, threads: usize, direct: bool) -> io::Result<Duration> {
    let started = Instant::now();
    let output = Output::create(to, input.size, direct)?;
    on_threads(vec![(); threads], |()| copy(input, &output))?;
    Ok(started.elapsed())
}

/// The other process: `receive PORT SIZE VARIANT LANES DIRECT PATH`.
fn receiver(args: &[String]) -> io::Result<()> {
    let [_, port, size, variant, lanes, direct, path] = args else { usage("receive takes six arguments") };
    let (size, lanes) = (parse(size), parse::<usize>(lanes));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, parse(port)));
    let streams: Vec<_> = (0..lanes).map(|_| TcpStream::connect(address)).collect::<io::Result<_>>()?;
    // The clock runs: the other end started it when all were connected.
    let output = Output::create(Path::new(path), size, parse(direct))?;
    on_threads(streams, |stream| receive(&output, size, stream, Variant::parse(variant)))
}

fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn on_threads<T: Send>(items: Vec<T>, work: impl Fn(T) -> io::Result<()> + Sync) -> io::Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(|| work(item))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })
}

/// Bytes that no file system and no disk can make smaller.
fn make_file(path: &Path, mib: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..mib * (1 << 20) / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes())?;
    }
    file.flush()
}

impl Options {
    fn parse(args: &mut Vec<String>) -> Self {
        let mut value = |name: &str, default: &str| {
            let Some(at) = args.iter().position(|arg| arg == name) else { return default.to_owned() };
            if at + 1 == args.len() {
                usage(&format!("{name} needs a value"));
            }
            args.drain(at..at + 2).next_back().unwrap_or_default()
        };
        let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let options = Self {
            file: Some(value("--file", "")).filter(|path| !path.is_empty()).map(PathBuf::from),
            made_mib: parse(&value("--size", "1024")),
            to: value("--to", &env::temp_dir().to_string_lossy()).into(),
            variants: list(value("--variants", "plain,sealed,hashed")),
            lanes: list(value("--lanes", "1,2,4")).iter().map(|text| parse(text)).collect(),
            direct: value("--write", "cached") == "direct",
        };
        if let Some(unknown) = args.first() {
            usage(&format!("there is no option {unknown}"));
        }
        options
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| usage(&format!("{text} is not what is expected here")))
}

fn usage(problem: &str) -> ! {
    eprintln!("ceiling: {problem}; the options are at the top of benches/ceiling/main.rs");
    process::exit(2);
}
