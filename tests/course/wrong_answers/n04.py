"""Wrong answers to notebook 04's exercises, and what each must be told."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "04.1": [
        (
            "def extract(response):\n"
            '    pair = re.search(r"<answer>(.*?)</answer>", response)\n'
            "    return (pair[1] if pair else response).strip()\n",
            "an answer that spans lines is missed",
        ),
        (
            "def extract(response):\n"
            '    pair = re.search(r"<answer>(.*)</answer>", response, re.DOTALL)\n'
            "    return (pair[1] if pair else response).strip()\n",
            "runs on to the last closing tag",
        ),
        (
            "def extract(response):\n"
            '    pair = re.search(r"<answer>(.*?)</answer>", response, re.DOTALL)\n'
            "    return pair[1] if pair else response\n",
            "white space is left",
        ),
        (
            "def extract(response):\n"
            '    pairs = re.findall(r"<answer>(.*?)</answer>", response, re.DOTALL)\n'
            "    return (pairs[-1] if pairs else response).strip()\n",
            "the first one counts",
        ),
        (
            "def extract(response):\n"
            '    pair = re.search(r"<answer>(.*?)</answer>", response, re.DOTALL)\n'
            '    return pair[1].strip() if pair else ""\n',
            "without tags is lost",
        ),
        (
            "def extract(response):\n"
            "    flags = re.DOTALL | re.IGNORECASE\n"
            '    pair = re.search(r"<answer>(.*?)</answer>", response, flags)\n'
            "    return (pair[1] if pair else response).strip()\n",
            "tags are lower case",
        ),
        (
            "def extract(response):\n"
            '    pair = re.search(r"<answer>(.*?)</answer>", response, re.DOTALL)\n'
            "    return (pair[0] if pair else response).strip()\n",
            "the tags came along",
        ),
        (
            "def extract(response):\n"
            '    pair = re.search(r"<answer>(.*?)(</answer>|$)", response, re.DOTALL)\n'
            "    return (pair[1] if pair else response).strip()\n",
            "half a pair is no pair",
        ),
        (
            "def extract(response):\n"
            '    return re.search(r"<answer>(.*?)</answer>", response, re.DOTALL) or response\n',
            "a text is wanted, not Match",
        ),
    ],
    "04.2": [
        (
            "def fair_score(questions, responses):\n"
            "    right = n = 0\n"
            "    for q in questions:\n"
            "        if q.id in responses:\n"
            "            n += 1\n"
            "            said = scoring.extract_answer(responses[q.id])\n"
            "            right += scoring.string_match(q.answer, said, q.choices)\n"
            "    return right, n\n",
            "a question without a response vanished",
        ),
        (
            "def fair_score(questions, responses):\n"
            "    right = 0\n"
            "    for q in questions:\n"
            '        said = scoring.extract_answer(responses.get(q.id, "")).lower()\n'
            "        right += q.answer.lower() in said\n"
            "    return right, len(questions)\n",
            "compare words, not pieces of text",
        ),
        (
            "def words(text):\n"
            '    return set(re.findall(r"\\w+", text.lower()))\n'
            "\n"
            "\n"
            "def fair_score(questions, responses):\n"
            "    right = 0\n"
            "    for q in questions:\n"
            '        said = scoring.extract_answer(responses.get(q.id, ""))\n'
            "        right += words(q.answer) <= words(said)\n"
            "    return right, len(questions)\n",
            "names two choices counted as right",
        ),
        (
            "def fair_score(questions, responses):\n"
            "    right = 0\n"
            "    for q in questions:\n"
            '        said = scoring.extract_answer(responses.get(q.id, ""))\n'
            "        right += said.lower() == q.answer.lower()\n"
            "    return right, len(questions)\n",
            "a right answer in a sentence did not count",
        ),
        (
            "def fair_score(questions, responses):\n"
            "    right = 0\n"
            "    for q in questions:\n"
            '        said = responses.get(q.id, "")\n'
            "        right += scoring.string_match(q.answer, said, q.choices)\n"
            "    return right, len(questions)\n",
            "the thinking was judged along with the answer",
        ),
        (
            "def fair_score(questions, responses):\n"
            "    right = 0\n"
            "    for q in questions:\n"
            '        said = scoring.extract_answer(responses.get(q.id, ""))\n'
            "        if not scoring.accepted_choices(said, q.choices):\n"
            "            said = q.choices[0]\n"
            "        right += scoring.string_match(q.answer, said, q.choices)\n"
            "    return right, len(questions)\n",
            "nothing is guessed for a model",
        ),
        (
            "def fair_score(questions, responses):\n"
            "    right = 0\n"
            "    for q in questions:\n"
            '        said = scoring.extract_answer(responses.get(q.id, ""))\n'
            "        right += scoring.string_match(q.answer, said, q.choices)\n"
            "    return right / len(questions)\n",
            "a pair is wanted",
        ),
        (
            "def fair_score(questions, responses):\n"
            "    right = 0\n"
            "    for q in questions:\n"
            '        said = scoring.extract_answer(responses.get(q.id, ""))\n'
            "        right += scoring.string_match(q.answer, said, q.choices)\n"
            "    return right / len(questions), len(questions)\n",
            "counts are wanted, not a share",
        ),
        (
            "def fair_score(questions, responses):\n"
            "    right = 0\n"
            "    for q in questions:\n"
            '        said = scoring.extract_answer(responses.get(q.id, ""))\n'
            "        right += scoring.string_match(q.answer, said, q.choices)\n"
            "    return len(questions), right\n",
            "in the wrong order",
        ),
    ],
    "04.3": [
        (
            "def wilson(correct, n):\n"
            "    share = correct / n\n"
            "    half = 1.959964 * sqrt(share * (1 - share) / n)\n"
            "    return 100 * (share - half), 100 * (share + half)\n",
            "this is Wald's interval",
        ),
        (
            "def wilson(correct, n):\n"
            "    z, share = 1.959964, correct / n\n"
            "    below = 1 + z**2 / n\n"
            "    centre = (share + z**2 / (2 * n)) / below\n"
            "    half = z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / below\n"
            "    return centre - half, centre + half\n",
            "not shares",
        ),
        (
            "def wilson(correct, n):\n"
            "    z, share = 1.644854, correct / n\n"
            "    below = 1 + z**2 / n\n"
            "    centre = (share + z**2 / (2 * n)) / below\n"
            "    half = z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / below\n"
            "    return 100 * (centre - half), 100 * (centre + half)\n",
            "that of a 90 % interval",
        ),
        (
            "def wilson(correct, n):\n"
            "    z, share = 1.959964, correct / n\n"
            "    below = 1 + z**2 / n\n"
            "    centre = (share + z**2 / (2 * n)) / below\n"
            "    half = z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / below\n"
            "    return 100 * (share - half), 100 * (share + half)\n",
            "the centre is the measured share",
        ),
        (
            "def wilson(correct, n):\n"
            "    z, share = 1.959964, correct / n\n"
            "    below = 1\n"
            "    centre = (share + z**2 / (2 * n)) / below\n"
            "    half = z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / below\n"
            "    return 100 * (centre - half), 100 * (centre + half)\n",
            "the division by 1 + z**2 / n is missing",
        ),
        (
            "def wilson(correct, n):\n"
            "    z, share = 1.959964, correct / n\n"
            "    below = 1 + z**2 / n\n"
            "    centre = (share + z**2 / (2 * n)) / below\n"
            "    half = z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / below\n"
            "    return 100 * centre, 100 * half\n",
            "centre and half width",
        ),
        (
            "def wilson(correct, n):\n"
            "    z, share = 1.959964, correct / n\n"
            "    below = 1 + z**2 / n\n"
            "    centre = (share + z**2 / (2 * n)) / below\n"
            "    half = z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / below\n"
            "    return 100 * (centre + half), 100 * (centre - half)\n",
            "in the wrong order",
        ),
        (
            "def wilson(correct, n):\n"
            "    z, share = 1.959964, correct / n\n"
            "    below = 1 + z**2 / n\n"
            "    centre = (share + z**2 / (2 * n)) / below\n"
            "    half = z * sqrt(share * (1 - share) / n) / below\n"
            "    return 100 * (centre - half), 100 * (centre + half)\n",
            "is missing under the root",
        ),
        (
            "def wilson(correct, n):\n"
            "    z, share = 1.959964, correct / n\n"
            "    below = 1 + z**2 / n\n"
            "    centre = (share + z**2 / (2 * n)) / below\n"
            "    half = z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))\n"
            "    return 100 * (centre - half), 100 * (centre + half)\n",
            "half width is to be divided",
        ),
        (
            "def wilson(correct, n):\n"
            "    z, share = 1.959964, correct / n\n"
            "    below = 1 + z**2 / n\n"
            "    centre = (share + z**2 / (2 * n)) / below\n"
            "    half = z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / below\n"
            "    return 100 * (centre + half)\n",
            "two numbers are wanted",
        ),
    ],
    "04.4": [
        (
            "def paired_p(a_only, b_only):\n"
            "    n, k = a_only + b_only, min(a_only, b_only)\n"
            "    return sum(comb(n, i) for i in range(k + 1)) / 2**n\n",
            "one side only",
        ),
        (
            "def paired_p(a_only, b_only):\n"
            "    n, k = a_only + b_only, min(a_only, b_only)\n"
            "    return min(1.0, 2 * sum(comb(n, i) for i in range(k)) / 2**n)\n",
            "only what is more lopsided was counted",
        ),
        (
            "def paired_p(a_only, b_only):\n"
            "    n, k = a_only + b_only, min(a_only, b_only)\n"
            "    return 2 * comb(n, k) / 2**n\n",
            "only this very result was counted",
        ),
        (
            "def paired_p(a_only, b_only):\n"
            "    n, k = a_only + b_only, min(a_only, b_only)\n"
            "    return 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n\n",
            "no probability is above 1",
        ),
        (
            "from math import erfc\n"
            "\n"
            "\n"
            "def paired_p(a_only, b_only):\n"
            "    n, k = a_only + b_only, min(a_only, b_only)\n"
            "    return erfc(abs(a_only - b_only) / sqrt(2 * n)) if n else 1.0\n",
            "this is the chi-squared approximation",
        ),
        (
            "def paired_p(a_only, b_only):\n"
            "    n = a_only + b_only\n"
            "    return min(1.0, 2 * sum(comb(n, i) for i in range(b_only + 1)) / 2**n)\n",
            "should not matter which system is called a",
        ),
        (
            "def paired_p(a_only, b_only):\n"
            "    n, k = a_only + b_only, min(a_only, b_only)\n"
            "    p = 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n\n"
            "    return min(1.0, p) * n / n\n",
            "divides by zero",
        ),
        (
            "def paired_p(a_only, b_only):\n"
            "    n, k = a_only + b_only, min(a_only, b_only)\n"
            "    return 1 - 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n\n",
            "less lopsided",
        ),
    ],
}
