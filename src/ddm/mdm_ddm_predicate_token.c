
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads the tokens of a predicate.
 */


#include "mdm_ddm_predicate_token.h"


#define MDM_DDM_BRACKETS_MOST  64


static void mdm_ddm_token_mark(mdm_ddm_token_t *token, const u_char *end);
static void mdm_ddm_token_pair(mdm_ddm_token_t *token, const u_char *end);
static void mdm_ddm_token_foreign(mdm_ddm_token_t *token, const u_char *end);
static void mdm_ddm_token_string(mdm_ddm_token_t *token, const u_char *end);
static void mdm_ddm_token_number(mdm_ddm_token_t *token, const u_char *end);
static void mdm_ddm_token_name(mdm_ddm_token_t *token, const u_char *end);
static mdm_uint_t mdm_ddm_token_word(mdm_ddm_token_t *token,
    const u_char *end);
static void mdm_ddm_token_variable(mdm_ddm_token_t *token, const u_char *end);
static void mdm_ddm_token_at(mdm_ddm_token_t *token, const u_char *end);
static void mdm_ddm_token_item(mdm_ddm_token_t *token, const u_char *p,
    const u_char *end);
static void mdm_ddm_token_set(mdm_ddm_token_t *token, mdm_ddm_token_e type,
    const u_char *end);
static void mdm_ddm_token_wrong(mdm_ddm_token_t *token, const char *what);
static mdm_uint_t mdm_ddm_token_same(const u_char *p, size_t len,
    const char *word);
static const u_char *mdm_ddm_token_letters(const u_char *p,
    const u_char *end);
static const u_char *mdm_ddm_token_digits(const u_char *p,
    const u_char *end);
static const u_char *mdm_ddm_token_spaces(const u_char *p,
    const u_char *end);
static const u_char *mdm_ddm_token_quote(const u_char *p, const u_char *end);
static mdm_uint_t mdm_ddm_token_letter(u_char c);
static mdm_uint_t mdm_ddm_token_digit(u_char c);
static mdm_uint_t mdm_ddm_token_space(u_char c);


/* in any case of letters */

static const struct {
    const char       *word;
    mdm_ddm_token_e   type;
} mdm_ddm_token_words[] = {
    { "AND", MDM_DDM_TOKEN_AND },
    { "OR", MDM_DDM_TOKEN_OR },
    { "NOT", MDM_DDM_TOKEN_NOT },
    { "ANY", MDM_DDM_TOKEN_ANY },
    { "SOME", MDM_DDM_TOKEN_ANY },
    { "ALL", MDM_DDM_TOKEN_ANY },
    { "NONE", MDM_DDM_TOKEN_ANY },
    { "IN", MDM_DDM_TOKEN_IN },
    { "BETWEEN", MDM_DDM_TOKEN_BETWEEN },
    { "BEGINSWITH", MDM_DDM_TOKEN_TEXTUAL },
    { "ENDSWITH", MDM_DDM_TOKEN_TEXTUAL },
    { "LIKE", MDM_DDM_TOKEN_TEXTUAL },
    { "MATCHES", MDM_DDM_TOKEN_TEXTUAL },
    { "CONTAINS", MDM_DDM_TOKEN_CONTAINS },
    { "TRUE", MDM_DDM_TOKEN_CONSTANT },
    { "YES", MDM_DDM_TOKEN_CONSTANT },
    { "FALSE", MDM_DDM_TOKEN_CONSTANT },
    { "NO", MDM_DDM_TOKEN_CONSTANT },
    { "NULL", MDM_DDM_TOKEN_CONSTANT },
    { "NIL", MDM_DDM_TOKEN_CONSTANT },
    { "TRUEPREDICATE", MDM_DDM_TOKEN_PREDICATE },
    { "FALSEPREDICATE", MDM_DDM_TOKEN_PREDICATE },
    { "SUBQUERY", MDM_DDM_TOKEN_SUBQUERY }
};


/* operators of collections in a key path */

static const char  *mdm_ddm_token_collections[] = {
    "count", "sum", "avg", "min", "max", "unionOfObjects",
    "distinctUnionOfObjects", "unionOfArrays", "distinctUnionOfArrays",
    "unionOfSets", "distinctUnionOfSets"
};


void
mdm_ddm_predicate_token(mdm_ddm_token_t *token, const u_char *p,
    const u_char *end)
{
    memset(token, 0, sizeof(mdm_ddm_token_t));

    p = mdm_ddm_token_spaces(p, end);

    token->start = p;
    token->end = p;

    if (p == end) {
        return;
    }

    if (mdm_ddm_token_letter(*p)) {
        mdm_ddm_token_name(token, end);

    } else if (mdm_ddm_token_digit(*p)) {
        mdm_ddm_token_number(token, end);

    } else if (*p >= 0x80) {
        mdm_ddm_token_foreign(token, end);

    } else {
        mdm_ddm_token_mark(token, end);
    }
}


static void
mdm_ddm_token_mark(mdm_ddm_token_t *token, const u_char *end)
{
    const u_char  *p;

    p = token->start;

    switch (*p) {

    case '(':
    case ')':
    case '{':
    case '}':
    case '[':
    case ']':
    case ',':
    case '.':
    case '-':
        mdm_ddm_token_set(token, MDM_DDM_TOKEN_CHAR, p + 1);
        return;

    case '"':
    case '\'':
        mdm_ddm_token_string(token, end);
        return;

    case '@':
        mdm_ddm_token_at(token, end);
        return;

    case '$':
        mdm_ddm_token_variable(token, end);
        return;

    case '+':
    case '*':
    case '/':
        token->type = MDM_DDM_TOKEN_OUTSIDE;
        token->what = "arithmetic";
        return;

    case '#':
    case ':':
        token->type = MDM_DDM_TOKEN_OUTSIDE;
        token->what = "what follows here";
        return;

    default:
        mdm_ddm_token_pair(token, end);
        return;
    }
}


/* operators of one character or two */

static void
mdm_ddm_token_pair(mdm_ddm_token_t *token, const u_char *end)
{
    size_t         i;
    const u_char  *p;

    static const struct {
        const char       *mark;
        mdm_ddm_token_e   type;
    } marks[] = {
        { "==", MDM_DDM_TOKEN_COMPARE },
        { "=>", MDM_DDM_TOKEN_COMPARE },
        { "=<", MDM_DDM_TOKEN_COMPARE },
        { "<=", MDM_DDM_TOKEN_COMPARE },
        { ">=", MDM_DDM_TOKEN_COMPARE },
        { "<>", MDM_DDM_TOKEN_COMPARE },
        { "!=", MDM_DDM_TOKEN_COMPARE },
        { "&&", MDM_DDM_TOKEN_AND },
        { "||", MDM_DDM_TOKEN_OR },
        { "=", MDM_DDM_TOKEN_COMPARE },
        { "<", MDM_DDM_TOKEN_COMPARE },
        { ">", MDM_DDM_TOKEN_COMPARE },
        { "!", MDM_DDM_TOKEN_NOT }
    };

    p = token->start;

    for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {

        if (*p != (u_char) marks[i].mark[0]) {
            continue;
        }

        if (marks[i].mark[1] == '\0') {
            mdm_ddm_token_set(token, marks[i].type, p + 1);
            return;
        }

        if (end - p > 1 && p[1] == (u_char) marks[i].mark[1]) {
            mdm_ddm_token_set(token, marks[i].type, p + 2);
            return;
        }
    }

    mdm_ddm_token_wrong(token, (*p == '%') ? "there is no argument for \"%\""
                                           : "an unexpected character");
}


/* what word processors make of quotes is none */

static void
mdm_ddm_token_foreign(mdm_ddm_token_t *token, const u_char *end)
{
    size_t         len;
    const u_char  *p;

    p = token->start;
    len = (size_t) (end - p);

    if ((len >= 3 && p[0] == 0xe2 && p[1] == 0x80
         && p[2] >= 0x98 && p[2] <= 0x9f)
        || (len >= 2 && p[0] == 0xc2 && (p[1] == 0xab || p[1] == 0xbb)))
    {
        mdm_ddm_token_wrong(token, "a quote that is none, \" or ' expected");
        return;
    }

    token->type = MDM_DDM_TOKEN_OUTSIDE;
    token->what = "a name that is not ASCII";
}


static void
mdm_ddm_token_string(mdm_ddm_token_t *token, const u_char *end)
{
    const u_char  *p;

    p = mdm_ddm_token_quote(token->start, end);

    if (p == NULL) {
        mdm_ddm_token_wrong(token, "a quote is not closed");
        return;
    }

    mdm_ddm_token_set(token, MDM_DDM_TOKEN_STRING, p);
}


static void
mdm_ddm_token_number(mdm_ddm_token_t *token, const u_char *end)
{
    const u_char  *p, *q;

    p = token->start;

    if (*p == '0' && end - p > 2
        && (p[1] == 'x' || p[1] == 'o' || p[1] == 'b'))
    {
        mdm_ddm_token_set(token, MDM_DDM_TOKEN_NUMBER,
                          mdm_ddm_token_letters(p, end));
        return;
    }

    p = mdm_ddm_token_digits(p, end);

    if (end - p > 1 && *p == '.' && mdm_ddm_token_digit(p[1])) {
        p = mdm_ddm_token_digits(p + 1, end);
    }

    if (p != end && (*p == 'e' || *p == 'E')) {
        q = p + 1;

        if (q != end && (*q == '+' || *q == '-')) {
            q++;
        }

        if (q != end && mdm_ddm_token_digit(*q)) {
            p = mdm_ddm_token_digits(q, end);
        }
    }

    if (p != end && mdm_ddm_token_letter(*p)) {
        mdm_ddm_token_wrong(token, "neither a number nor a name");
        return;
    }

    mdm_ddm_token_set(token, MDM_DDM_TOKEN_NUMBER, p);
}


static void
mdm_ddm_token_name(mdm_ddm_token_t *token, const u_char *end)
{
    const u_char  *p;

    token->end = mdm_ddm_token_letters(token->start, end);

    if (mdm_ddm_token_word(token, end)) {
        return;
    }

    p = mdm_ddm_token_spaces(token->end, end);

    if (p != end && (*p == '(' || *p == ':')) {
        token->type = MDM_DDM_TOKEN_OUTSIDE;
        token->what = "a function";
        return;
    }

    token->type = MDM_DDM_TOKEN_NAME;
}


/* 1 if it is a word of the language */

static mdm_uint_t
mdm_ddm_token_word(mdm_ddm_token_t *token, const u_char *end)
{
    size_t         i, n, len, rest;
    const u_char  *p;

    static const char  *type[] = { "UTI-CONFORMS-TO", "UTI-EQUALS" };
    static const char  *set[] = { "UNION", "INTERSECT", "MINUS" };

    p = token->start;
    len = (size_t) (token->end - p);
    rest = (size_t) (end - p);

    n = sizeof(mdm_ddm_token_words) / sizeof(mdm_ddm_token_words[0]);

    for (i = 0; i < n; i++) {

        if (mdm_ddm_token_same(p, len, mdm_ddm_token_words[i].word)) {
            token->type = mdm_ddm_token_words[i].type;
            return 1;
        }
    }

    for (i = 0; i < sizeof(type) / sizeof(type[0]); i++) {
        n = strlen(type[i]);

        if (len == 3 && rest >= n && mdm_ddm_token_same(p, n, type[i])) {
            mdm_ddm_token_set(token, MDM_DDM_TOKEN_COMPARE, p + n);
            return 1;
        }
    }

    for (i = 0; i < sizeof(set) / sizeof(set[0]); i++) {

        if (mdm_ddm_token_same(p, len, set[i])) {
            token->type = MDM_DDM_TOKEN_OUTSIDE;
            token->what = "an operation on sets";
            return 1;
        }
    }

    return 0;
}


static void
mdm_ddm_token_variable(mdm_ddm_token_t *token, const u_char *end)
{
    const u_char  *p;

    p = token->start + 1;

    if (p != end && *p == '{') {
        p = memchr(p, '}', (size_t) (end - p));

        if (p == NULL) {
            mdm_ddm_token_wrong(token, "a variable is not closed");
            return;
        }

        mdm_ddm_token_set(token, MDM_DDM_TOKEN_TEXT, p + 1);
        return;
    }

    if (p == end || !mdm_ddm_token_letter(*p)) {
        mdm_ddm_token_wrong(token, "a name expected behind \"$\"");
        return;
    }

    mdm_ddm_token_set(token, MDM_DDM_TOKEN_VARIABLE,
                      mdm_ddm_token_letters(p, end));
}


/*
 * "@status(item)", "@property(key)" and "@key(name)" are Apple's; others, as
 * in ".@count", are operators of collections.
 */

static void
mdm_ddm_token_at(mdm_ddm_token_t *token, const u_char *end)
{
    size_t         i;
    const u_char  *p;

    static const char  *words[] = { "status", "property", "key" };

    p = mdm_ddm_token_letters(token->start + 1, end);

    token->word.data = (u_char *) token->start + 1;
    token->word.len = (size_t) (p - token->word.data);

    if (token->word.len == 0) {
        mdm_ddm_token_wrong(token, "a word expected behind \"@\"");
        return;
    }

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {

        if (mdm_str_is(&token->word, words[i])) {
            mdm_ddm_token_item(token, p, end);
            return;
        }
    }

    if (p != end && *p == '(') {
        mdm_ddm_token_wrong(token, "\"@status(\", \"@property(\" or "
                            "\"@key(\" expected");
        return;
    }

    for (i = 0; i < sizeof(mdm_ddm_token_collections)
                    / sizeof(mdm_ddm_token_collections[0]); i++)
    {
        if (mdm_str_is(&token->word, mdm_ddm_token_collections[i])) {
            mdm_ddm_token_set(token, MDM_DDM_TOKEN_AT, p);
            return;
        }
    }

    token->type = MDM_DDM_TOKEN_OUTSIDE;
    token->what = "an operator of collections that is not known";
}


/* "p" is behind the word */

static void
mdm_ddm_token_item(mdm_ddm_token_t *token, const u_char *p,
    const u_char *end)
{
    const u_char  *last;

    if (p == end || *p != '(') {
        mdm_ddm_token_wrong(token, "\"(\" expected behind \"@status\", "
                            "\"@property\", \"@key\"");
        return;
    }

    token->name.data = (u_char *) ++p;

    if (p != end && (*p == '"' || *p == '\'')) {
        last = mdm_ddm_token_quote(p, end);

        if (last != NULL) {
            token->quoted = 1;
            token->name.data = (u_char *) p + 1;
            token->name.len = (size_t) (last - p - 2);
            p = last;
        }
    }

    while (!token->quoted && p != end && *p != ')' && *p != '(' && *p != '"'
           && *p != '\'' && *p != '@')
    {
        if (mdm_ddm_token_space(*p++)) {
            token->spaced = 1;
        }
    }

    if (!token->quoted) {
        token->name.len = (size_t) (p - token->name.data);
    }

    if (p == end || *p != ')' || token->name.len == 0) {
        mdm_ddm_token_wrong(token, "a name and \")\" expected");
        return;
    }

    mdm_ddm_token_set(token, MDM_DDM_TOKEN_ITEM, p + 1);
}


const char *
mdm_ddm_predicate_brackets(const mdm_str_t *text, mdm_uint_t depth,
    const u_char **at)
{
    u_char         closing[MDM_DDM_BRACKETS_MOST];
    mdm_uint_t     n;
    const u_char  *p, *end, *open[MDM_DDM_BRACKETS_MOST];

    n = 0;
    p = text->data;
    end = p + text->len;

    while (p != end) {
        *at = p;

        switch (*p) {

        case '(':
        case '{':
        case '[':
            if (n == depth || n == MDM_DDM_BRACKETS_MOST) {
                return NULL;
            }

            open[n] = p;
            closing[n++] = (*p == '(') ? ')' : (*p == '{') ? '}' : ']';
            p++;
            break;

        case ')':
        case '}':
        case ']':
            if (n == 0) {
                return "a bracket closes none";
            }

            if (closing[--n] != *p) {
                return "a bracket closes one of another kind";
            }

            p++;
            break;

        case '"':
        case '\'':
            p = mdm_ddm_token_quote(p, end);

            if (p == NULL) {
                return "a quote is not closed";
            }

            break;

        default:
            p++;
        }
    }

    if (n != 0) {
        *at = open[n - 1];
        return "a bracket is not closed";
    }

    return NULL;
}


static void
mdm_ddm_token_set(mdm_ddm_token_t *token, mdm_ddm_token_e type,
    const u_char *end)
{
    token->type = type;
    token->end = end;
}


static void
mdm_ddm_token_wrong(mdm_ddm_token_t *token, const char *what)
{
    token->type = MDM_DDM_TOKEN_WRONG;
    token->what = what;
}


static mdm_uint_t
mdm_ddm_token_same(const u_char *p, size_t len, const char *word)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < len; i++) {
        c = (p[i] >= 'a' && p[i] <= 'z') ? (u_char) (p[i] - 'a' + 'A') : p[i];

        if (c != (u_char) word[i]) {
            return 0;
        }
    }

    return word[len] == '\0';
}


static const u_char *
mdm_ddm_token_letters(const u_char *p, const u_char *end)
{
    while (p != end && (mdm_ddm_token_letter(*p) || mdm_ddm_token_digit(*p))) {
        p++;
    }

    return p;
}


static const u_char *
mdm_ddm_token_digits(const u_char *p, const u_char *end)
{
    while (p != end && mdm_ddm_token_digit(*p)) {
        p++;
    }

    return p;
}


static const u_char *
mdm_ddm_token_spaces(const u_char *p, const u_char *end)
{
    while (p != end && mdm_ddm_token_space(*p)) {
        p++;
    }

    return p;
}


/* behind the quote that closes the one at "p", or NULL */

static const u_char *
mdm_ddm_token_quote(const u_char *p, const u_char *end)
{
    u_char  quote;

    quote = *p++;

    while (p != end) {

        if (*p == quote) {
            return p + 1;
        }

        /* a backslash takes the next character with it */

        if (*p++ == '\\' && p != end) {
            p++;
        }
    }

    return NULL;
}


static mdm_uint_t
mdm_ddm_token_letter(u_char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}


static mdm_uint_t
mdm_ddm_token_digit(u_char c)
{
    return c >= '0' && c <= '9';
}


static mdm_uint_t
mdm_ddm_token_space(u_char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
