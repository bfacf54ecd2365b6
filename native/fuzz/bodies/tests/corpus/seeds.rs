//! Inputs to begin with, made of the vectors in `docs/vectors` and of sessions by hand, so that a fuzzer
//! need not find out by itself what a session is.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Writes them all into the corpus, where a fuzzer finds them.
pub fn write(corpus: &Path) {
    for (target, _) in hawser_fuzz_bodies::TARGETS {
        fs::create_dir_all(corpus.join(target)).unwrap();
        for (name, input) in of(target) {
            fs::write(corpus.join(target).join(format!("seed-{name}")), input).unwrap();
        }
    }
}

pub type Seed = (String, Vec<u8>);

/// Those of one target, each with a name.
pub fn of(target: &str) -> Vec<Seed> {
    let seeds: Vec<Vec<u8>> = match target {
        "record" => vec![
            records(&[(0, b"one", &[0]), (0, b"two", &[0]), (0, b"three", &[0])]),
            records(&[(0, b"one", &[0]), (0, b"two", &[1, 0, 9, 1]), (0, b"three", &[0])]),
            records(&[(0, b"cut", &[2, 0, 7]), (1, &[0, 0, 0, 17], &[0]), (1, &[255; 20], &[0])]),
            records(&[(1, &[0, 4, 16, 17], &[0]), (1, &[0, 0, 0, 16], &[3, 0, 2, 1, 1])]),
        ],
        "frame" => session("source").chain(session("sink")).collect(),
        "message" => frames().map(|frame| [&frame[..16], &frame[20..]].concat()).collect(),
        "manifest" => frames().filter(|frame| frame[0] == 17).map(|frame| frame[20..].to_vec()).collect(),
        "ticket" => tickets(),
        "code" => {
            ["open-lake-army", " Open lake, army! ", "open-lake", "open-lake-xyzzy"].map(Into::into).into()
        }
        "journal" => vec![
            [b"HAWSERJ1", [0; 60].as_slice()].concat(),
            [&[0, 0, 3], b"a/b".as_slice(), &[7; 32], &[0, 0, 0, 0, 0, 16, 0, 1], &[0; 12], &[0, 9, 3, 9]]
                .concat(),
            [&[0, 0, 1], b"x".as_slice(), &[7; 32], &[255; 20], &[255, 255, 255, 255, 255, 1]].concat(),
        ],
        "delivered" => delivered(),
        "peers" => vec![
            b"hawser known peers 1\n\
              q7snpohmjariq4i3yjhhltouieawbs6lcve42bby2azmqfcleqwa alice named 2026-11-22 192.0.2.7:7707\n\
              otmgrpjmudw3mtdkrz2qwcwm2hgs62vmuqqe4vm7d5kyrksvv5ba vm-2 label 2026-11-20 -\n"
                .to_vec(),
            "\0 Zoë's laptop".into(),
        ],
        "ledger" => ledgers(),
        "handshake" => handshakes(),
        "join" => joins(),
        "sink" => vec![sink_session(), sink_pages(), sink_lanes()],
        "source" => vec![source_session(), source_parts()],
        _ => panic!("{target} has no seeds"),
    };
    let names = (0..).map(|number| format!("{number:02}"));
    names.zip(seeds).collect()
}

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/vectors").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The records that one side sends in the worked example.
fn session(from: &str) -> impl Iterator<Item = Vec<u8>> {
    let records = vectors("session.json")["records"].as_array().unwrap().clone();
    let from = from.to_string();
    records.into_iter().filter(move |record| record["from"] == *from).map(|record| hex(&record["plaintext"]))
}

/// Every frame of the worked example.
fn frames() -> impl Iterator<Item = Vec<u8>> {
    let records = vectors("session.json")["records"].as_array().unwrap().clone();
    let frames = records.into_iter().flat_map(|record| record["frames"].as_array().unwrap().clone());
    frames.map(|frame| [hex(&frame["header"]), hex(&frame["payload"])].concat())
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn records(records: &[(u8, &[u8], &[u8])]) -> Vec<u8> {
    records
        .iter()
        .flat_map(|(from, bytes, edit)| [&[*from], sized(bytes).as_slice(), edit].concat())
        .collect()
}

fn tickets() -> Vec<Vec<u8>> {
    let vectors = vectors("ticket.json");
    let all = ["valid", "invalid"].into_iter().flat_map(|form| vectors[form].as_array().unwrap());
    let mut tickets: Vec<Vec<u8>> =
        all.map(|ticket| ticket["text"].as_str().unwrap().as_bytes().to_vec()).collect();
    // What is behind the checksum: flags, key, secret, port, addresses.
    tickets.push([&[0, 1], [2; 48].as_slice(), &[1, 0, 2, 4, 127, 0, 0, 1, 0, 1, b'a']].concat());
    tickets.push([&[0, 3], [2; 48].as_slice(), &[1, 0, 1, 6], &[0; 16]].concat());
    tickets
}

fn delivered() -> Vec<Vec<u8>> {
    let hash = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    let lines = [format!("{hash}  a/b c"), format!("\\{hash}  a\\n\\\\\\r"), format!("{hash}  ../a")];
    lines.map(String::into_bytes).into_iter().chain([b"\0a\nb\\/c\r".to_vec()]).collect()
}

fn ledgers() -> Vec<Vec<u8>> {
    let (ticket, key) = ("a5".repeat(16), "01".repeat(32));
    let head = format!("hawser ticket ledger 1\nticket {ticket}\n");
    let ledgers = [
        format!("{head}bytes 0\nentries 0\nend\n"),
        format!("{head}bytes {}\nentries 7\nused-by {key}\nused-by {key}\nend\n", u64::MAX),
        format!("{head}bytes +1\nentries 07\nend").replace('\n', "\r\n"),
        // With lines that were added, the last of them in part.
        format!("{head}bytes 0\nentries 0\nend\nused-by {key}\nbytes 5\nentries 1\nused-by {}", &key[..9]),
    ];
    ledgers.map(String::into_bytes).into()
}

fn handshakes() -> Vec<Vec<u8>> {
    // Nobody on the way, or a change in each message in turn.
    let mut seeds: Vec<Vec<u8>> =
        (0..4).map(|message| [vec![0; message + 1], vec![1, 0, 5, 128]].concat()).collect();
    seeds.push(vec![0; 5]);
    // A hostile dialler's ticket, random and role; a hostile listener's random and session.
    seeds.extend([1, 2, 3].map(|role| [&[1], [3; 16].as_slice(), &[6; 32], &[role]].concat()));
    seeds.push([&[2], [6; 48].as_slice()].concat());
    // Two who know a code, and a change in each of their messages.
    seeds.extend((0..6).map(|message| [&[3], vec![0; message].as_slice(), &[1, 0, 20, 64]].concat()));
    seeds
}

fn joins() -> Vec<Vec<u8>> {
    let vectors = vectors("records.json");
    let opening = [hex(&vectors["dialler_opening"]), hex(&vectors["join_request"])].concat();
    let record = hex(&vectors["directions"][0]["records"][0]["record"]);
    let join = [opening.as_slice(), &record].concat();
    let other_version = [b"HAWSER\0\x02\x01".as_slice(), &[0; 53]].concat();
    vec![join, opening[..9].to_vec(), other_version, b"GET / HTTP/1.1\r\n\r\n".to_vec()]
}

// What the bytes mean say the steps of the bodies of `sink` and `source`: a lane, a step, what it needs.

/// A step on lane 0.
fn step(number: u8, more: &[u8]) -> Vec<u8> {
    [&[0, number], more].concat()
}

/// The worked example, up to its good end.
pub fn sink_session() -> Vec<u8> {
    let records: Vec<Vec<u8>> = session("source").collect();
    // Of each entry in the page: accepted, or placed as it is; of the last one a chunk is held.
    let decisions = [7, 7, 7, 0, 7, 1, 7, 2, 0, 1, 0, 0];
    let mut seed = step(0, &[sized(&records[0]).as_slice(), &decisions].concat());
    seed.extend(step(10, &[]));
    seed.extend(step(0, &sized(&records[1])));
    for _ in 0..20 {
        seed.extend(step(12, &[0, 7]));
    }
    seed.extend([step(10, &[]), step(15, &[]), step(10, &[]), step(0, &sized(&records[2]))].concat());
    seed
}

/// Pages made by the body: folders, files in them, links, leaves, and names that no entry may have.
fn sink_pages() -> Vec<u8> {
    let folder = [&[2, 0], sized(b"folder").as_slice()].concat();
    let file = [&[1, 1], sized(b"file").as_slice(), &[4]].concat();
    let link = [&[3, 1], sized(b"link").as_slice(), &sized(b"../up")].concat();
    let page = [&[5], folder.as_slice(), &file, &link, &[1, 0], &sized(b".."), &[1], &[0, 1]].concat();
    let mut seed = step(1, &[sized(b"label").as_slice(), &[0]].concat());
    // No other first number; accepted one after the other.
    seed.extend(step(2, &[&[0], page.as_slice(), &[0, 7, 7, 7, 7, 7]].concat()));
    seed.extend([step(3, &[2, 0, 0]), step(3, &[2, 1, 0]), step(5, &[2, 1]), step(6, &[0])].concat());
    seed.extend([step(12, &[0, 7]), step(12, &[0, 7]), step(12, &[0, 1]), step(10, &[])].concat());
    seed.extend([step(3, &[2, 0, 0]), step(7, &[2, 1, 0]), step(8, &[1, 0, 1, b'x', 0])].concat());
    seed
}

/// Lanes that come and go.
fn sink_lanes() -> Vec<u8> {
    let mut seed = step(1, &[sized(b"label").as_slice(), &[0]].concat());
    seed.extend([[3, 13].as_slice(), &[1, 13], &[0, 10], &[1, 9, 0], &[0, 9, 1], &[0, 13]].concat());
    seed.extend([[1, 14].as_slice(), &[1, 11, 0, 20], &[1, 10], &[3, 14], &[3, 10], &[0, 13]].concat());
    seed
}

/// A folder with a file, and a file beside it, which are asked for, sent and confirmed.
pub fn source_session() -> Vec<u8> {
    let committed: Vec<u8> = [2, 3, 1].into_iter().flat_map(|entry| [entry, 0]).collect();
    [
        step(1, &[sized(b"label").as_slice(), &[0]].concat()),
        [step(9, &[2]), step(9, &[5, 1]), step(9, &[0]), step(9, &[5, 4]), step(11, &[])].concat(),
        [step(13, &[]), step(15, &[]), step(2, &[2, 2, 3, 0])].concat(),
        [step(13, &[]), step(15, &[0, 0, 0]), step(7, &[2])].concat(),
        [step(4, &[&[3], committed.as_slice(), &[0]].concat()), step(6, &[0]), step(13, &[])].concat(),
    ]
    .concat()
}

/// A file of which the sink has a part, on two lanes of which one is lost.
fn source_parts() -> Vec<u8> {
    [
        step(1, &[sized(b"label").as_slice(), &[0]].concat()),
        [step(9, &[5, 50]), vec![1, 17], step(13, &[]), step(15, &[])].concat(),
        [step(3, &[1, 2, 1, 2, 3, 1, 0]), vec![1, 13], step(13, &[]), vec![1, 15, 0]].concat(),
        [vec![1, 17], step(15, &[0]), step(16, &[200]), step(13, &[]), step(15, &[0])].concat(),
        [step(3, &[1, 1, 4, 1, 0]), step(12, &[1]), step(13, &[]), step(18, &[]), step(19, &[1])].concat(),
    ]
    .concat()
}
