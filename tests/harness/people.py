"""A company for the address book: the file of modules/directory, the same each time.

    write(path, "example.test", [("alice", "Alice Adams"), ("bob", "Bob Brown")])
"""
import dataclasses

FIRST = ["Anna", "Bernd", "Chloé", "Dörte", "Erik", "Françoise", "Georg", "Hülya", "Igor", "Jana", "Karl", "Léa",
         "Miloš", "Nora", "Øystein", "Paula", "Quirin", "Rosa", "Søren", "Tomáš"]
LAST = ["Ackermann", "Bäcker", "Çelik", "Díaz", "Eriksson", "Fischer", "Groß", "Hansen", "Ivanova", "Jäger"]
PARTS = [("Sales/North", "Sales"), ("Sales/South", "Sales"), ("Entwicklung", "Entwicklung"), ("Support", "Support")]
ASCII = str.maketrans("äçéíøöüßšžáłñÇØ", "aceioousszalnco")
COUNT = len(FIRST) * len(LAST)


@dataclasses.dataclass
class Person:
    name: str
    account: str
    address: str
    container: str
    department: str
    title: str
    phone: str
    manager: str = ""
    aliases: tuple = ()


def people(domain, users):
    """The users first; then COUNT others."""
    out = []
    for account, name in users:
        out.append(Person(name, account, f"{account}@{domain}", "Sales", "Sales", "Head of Sales", "+49 30 100",
                          aliases=(f"{name.lower().replace(' ', '.')}@{domain}",)))
    for number in range(COUNT):
        first, last = FIRST[number % len(FIRST)], LAST[number // len(FIRST)]
        account = f"{first}.{last}".lower().translate(ASCII)
        container, department = PARTS[number % len(PARTS)]
        out.append(Person(f"{first} {last}", account, f"{account}@{domain}", container, department,
                          "Engineer" if department == "Entwicklung" else "Consultant", f"+49 30 {2000 + number}",
                          manager=out[0].address if number % 10 == 0 else ""))
    return out


def _text(value):
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_text(one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entry(**keys):
    return "[[entry]]\n" + "".join(f"{key} = {_text(value)}\n" for key, value in keys.items() if value) + "\n"


def toml(domain, users):
    everybody = people(domain, users)
    out = ""
    for one in everybody:
        first, _, last = one.name.partition(" ")
        out += _entry(name=one.name, given_name=first, surname=last, account=one.account, address=one.address,
                      aliases=list(one.aliases), title=one.title, department=one.department, phone=one.phone,
                      container=one.container, manager=one.manager)
    for _, department in dict.fromkeys((department, department) for _, department in PARTS):
        out += _entry(kind="group", name=f"Team {department}", address=f"team-{department.lower()}@{domain}",
                      members=[one.address for one in everybody if one.department == department],
                      owners=[everybody[0].address])
    out += _entry(kind="group", name="Everybody", address=f"everybody@{domain}", members=[
        f"team-{department.lower()}@{domain}" for department in dict.fromkeys(part[1] for part in PARTS)])
    for name, capacity in (("Room Amsterdam", 8), ("Room Berlin", 20), ("Großer Saal", 120)):
        out += _entry(kind="room", name=name, address=f"{name.split()[-1].lower()}@{domain}", capacity=capacity)
    out += _entry(kind="equipment", name="Projector", address=f"projector@{domain}")
    out += _entry(kind="contact", name="Zoltán External", address="zoltan@partner.test", company="Partner")
    out += _entry(name="Hidden Service", address=f"service@{domain}", hidden=True)
    return out


def write(path, domain, users):
    path.write_text(toml(domain, users), encoding="utf-8")
    return path
