"""How one name, date or number becomes another: slips of the keyboard, spelling by ear, short forms, other dates."""

from __future__ import annotations

import unicodedata
from datetime import date

from synthetic_county.dates import academic_year
from synthetic_county.parameters import Dice

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHORT_FORMS = """
    Abigail Abby|Adam Ad|Albert Bert|Alexander Alex|Alexandra Alex|Allison Ali|Amanda Mandy|Andrea Andi|Andrew Andy|Angela Angie|
    Anthony Tony|Arthur Art|Benjamin Ben|Bernard Bernie|Beth Bethany|Bethan Beth|Bethany Beth|Bradley Brad|Brandon Bran|Bryan Bry|
    Cameron Cam|Caroline Caz|Catherine Cathy|Charlene Charlie|Charles Charlie|Charlotte Lottie|Christian Chris|
    Christine Chris|Christopher Chris|Clifford Cliff|Connor Con|Damien Damo|Daniel Dan|Danielle Dani|Danny Dan|David Dave|
    Deborah Debbie|Debra Debs|Denise Den|Dennis Den|Diana Di|Dominic Dom|Donald Don|Donna Don|Dorothy Dot|Douglas Doug|Duncan Dunc|
    Edward Ed|Eileen Ei|Eleanor Ellie|Elizabeth Liz|Emily Em|Emma Em|Francesca Fran|Frances Fran|Francis Frank|Frederick Fred|Gareth Gaz|
    Gary Gaz|Gavin Gav|Geoffrey Geoff|Georgia Georgie|Georgina George|Gerald Ged|Gerard Ged|Gillian Gill|Grace Gracie|Graham Gray|Gregory Greg|
    Hannah Han|Harriet Hattie|Harry Haz|Hollie Hol|Holly Hol|Howard Howie|Jacob Jake|Jacqueline Jackie|James Jim|Jamie Jay|Janet Jan|Janice Jan|
    Jasmine Jas|Jason Jay|Jeffrey Jeff|Jemma Jem|Jennifer Jen|Jeremy Jez|Jessica Jess|Joanna Jo|Joanne Jo|Jodie Jo|John Johnny|Jonathan Jon|Jordan Jord|
    Joseph Joe|Josephine Josie|Joshua Josh|Judith Judy|Julian Jules|Julie Jules|Karen Kaz|Katherine Kathy|Kathleen Kath|Kathryn Kathy|Katie Kate|
    Kayleigh Kay|Kenneth Ken|Kerry Kez|Kevin Kev|Kieran Kier|Kimberley Kim|Lauren Loz|Lawrence Larry|Leanne Lee|Leonard Len|Leslie Les|Lewis Lew|
    Lindsey Linds|Louis Lou|Louise Lou|Lucy Luce|Lydia Lyd|Malcolm Malc|Margaret Maggie|Marilyn Maz|Martin Marty|Martyn Mart|Mathew Matt|Matthew Matt|
    Maureen Mo|Megan Meg|Melanie Mel|Melissa Mel|Michael Mike|Michelle Shell|Mohamed Mo|Mohammad Mo|Mohammed Mo|Molly Mol|Naomi Nay|Natalie Nat|Natasha Tasha|
    Nathan Nath|Nicholas Nick|Nicola Nicky|Nicole Nic|Nigel Nige|Norman Norm|Oliver Olly|Olivia Liv|Pamela Pam|Patricia Pat|Patrick Paddy|Pauline Paul|Peter Pete|
    Philip Phil|Phillip Phil|Rachael Rach|Rachel Rach|Raymond Ray|Rebecca Becky|Reece Ree|Richard Rich|Robert Rob|Robin Rob|Rodney Rod|Roger Rodge|Ronald Ron|
    Rosemary Rosie|Russell Russ|Ryan Ry|Sally Sal|Samantha Sam|Samuel Sam|Sandra Sandy|Sarah Saz|Sean Seany|Shannon Shan|Sharon Shaz|Shirley Shirl|Simon Si|Sophie Soph|
    Stacey Stace|Stanley Stan|Stephanie Steph|Stephen Steve|Steven Steve|Stewart Stew|Stuart Stu|Susan Sue|Suzanne Suzie|Sylvia Syl|Teresa Tess|Terence Terry|
    Thomas Tom|Timothy Tim|Toby Tobes|Tracey Trace|Trevor Trev|Valerie Val|Vanessa Ness|Victor Vic|Victoria Vicky|Vincent Vince|Wendy Wend|William Will|
    Yvonne Von|Zachary Zac|Zoë Zo|Chloé Chlo"""
_SHORT = dict(pair.split() for pair in _SHORT_FORMS.replace("\n", " ").split("|"))
_SAME_NAME = [
    group.split()
    for group in """Catherine Katherine Kathryn|Stephen Steven|Sarah Sara|Rachel Rachael|Mohammed Mohamed Mohammad|Philip Phillip|
    Matthew Mathew|Martin Martyn|Stuart Stewart|Connor Conor|Ann Anne|Hollie Holly|Tracey Tracy|Lindsey Lindsay|Lesley Leslie|Jodie Jody|Kerry Kerri|
    Kelly Kellie|Aaron Arron|Allan Alan|Bryan Brian|Declan Deklan|Kieran Kieron|Graeme Graham|Geoffrey Jeffrey|Gemma Jemma|Teresa Theresa|
    Debra Deborah|Jill Gill|Zoe Zoë|Clare Claire|Leigh Lee|Louis Lewis|Jayne Jane|Lynn Lynne|Marc Mark|Carl Karl|Elliot Elliott|Frances Francis|
    Sophie Sofie|Isobel Isabel|Abby Abbie|Leanne Leeanne|Shaun Sean|Nicholas Nicolas|Jon John|Toni Tony|Damian Damien|Reece Rhys|Kayleigh Kaylee|
    Smith Smyth|Clark Clarke|Brown Browne|Reid Reed Read|Taylor Tayler|Phillips Philips|Davies Davis|Moore More|Green Greene|Thompson Thomson|
    Johnson Johnston|Stevens Stephens|Stephenson Stevenson|Harrison Harison|Allen Allan|Nicholls Nichols|Matthews Mathews|Osborne Osborn|Pearce Peirce|
    Lawrence Laurence|Barnes Barns|Evans Evens|Hughes Hews|Cook Cooke|White Whyte|Marsh Marshe|Wood Woods|Watson Wattson|Bailey Bayley|
    Parsons Persons|Burton Birton|Webb Web|Lee Leigh|Carr Car|Day Daye|Price Pryce|Turner Turnor|Howard Haward|Walsh Welsh|Rees Reece|Gray Grey""".replace(
        "\n", " "
    ).split("|")
]
_VARIANTS = {
    name: [other for other in group if other != name] for group in _SAME_NAME for name in group
}
# By ear, where no other spelling is known: the first that applies.
_BY_EAR = (
    ("ph", "f"), ("ck", "k"), ("ie", "y"), ("ey", "y"), ("ll", "l"), ("tt", "t"), ("ss", "s"), ("nn", "n"), ("rr", "r"),
    ("mm", "m"), ("dd", "d"), ("ee", "ea"), ("ea", "ee"), ("y", "ie"), ("c", "k"), ("s", "z"), ("i", "y"), ("t", "tt"), ("l", "ll"),
)  # fmt: skip


def slip(text: str, dice: Dice) -> str:
    """One slip of the keyboard, never in the first letter: beside, left out, doubled or the other way round."""
    if len(text) < 3:
        return text + text[-1:]
    at = dice.within((1, len(text) - 1))
    how = dice.within((0, 3))
    letter = text[at]
    if how == 0:
        for row in _ROWS:
            where = row.find(letter.lower())
            if where >= 0:
                beside = row[
                    where + (1 if where == 0 or (where + 1 < len(row) and dice.chance(0.5)) else -1)
                ]
                return text[:at] + beside + text[at + 1 :]
    if how == 1:
        return text[:at] + text[at + 1 :]
    if how == 2 and at + 1 < len(text) and text[at + 1] != letter:
        return text[:at] + text[at + 1] + letter + text[at + 2 :]
    return text[:at] + letter + text[at:]


def short_form(name: str) -> str:
    return _SHORT.get(name, name)


def variant(name: str, dice: Dice) -> str:
    """Another spelling of the same name."""
    others = _VARIANTS.get(name)
    if others:
        return dice.one_of(others)
    for written, heard in _BY_EAR:
        at = name.find(written, 1)
        if at > 0:
            return name[:at] + heard + name[at + len(written) :]
    return name


def without_marks(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def half(name: str, dice: Dice) -> str:
    """One half of a double-barrelled name."""
    return dice.one_of(name.split("-"))


def day_month_swapped(born: date) -> date:
    """The date with day and month exchanged; itself where that is none or the same."""
    return date(born.year, born.day, born.month) if born.day <= 12 else born


def digits_transposed(born: date, dice: Dice) -> date:
    """Another date, a digit or two away: the days' digits exchanged, or one of them another."""
    tens, ones = divmod(born.day, 10)
    possible = [ones * 10 + tens, born.day + 1, born.day - 1, born.day + 10, born.day - 10]
    first = dice.within((0, len(possible) - 1))
    for day in possible[first:] + possible[:first]:
        if 1 <= day <= 28 and day != born.day:
            return born.replace(day=day)
    return born


def year_off(born: date, dice: Dice) -> date:
    return born.replace(year=born.year + (1 if dice.chance(0.5) else -1), day=min(born.day, 28))


def same_school_year(one: date, other: date) -> bool:
    return academic_year(one) == academic_year(other)


def wrong_learner_number(number: str, dice: Dice) -> str:
    """Two neighbouring digits exchanged, or one another; never the first."""
    at = dice.within((2, len(number) - 2))
    if number[at] != number[at + 1]:
        return number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    return number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]


def wrong_postcode(postcode: str, dice: Dice) -> str:
    """The last character wrong, or the two letters exchanged."""
    if dice.chance(0.5) and postcode[-1] != postcode[-2]:
        return postcode[:-2] + postcode[-1] + postcode[-2]
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    return (
        postcode[:-1] + letters[(letters.find(postcode[-1]) + dice.within((1, 19))) % len(letters)]
    )
