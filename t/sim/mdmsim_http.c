
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * HTTP/1.1: writes a request, reads an answer.  The peer may be hostile:
 * what is not clearly HTTP is an error.
 */


#include "mdmsim_http.h"


typedef enum {
    SIM_H_HEAD = 0,
    SIM_H_LENGTH,
    SIM_H_CLOSE,           /* the body ends with the connection */
    SIM_H_CHUNK,           /* a line with the size of a chunk */
    SIM_H_CHUNK_DATA,
    SIM_H_CHUNK_END,
    SIM_H_TRAILER,
    SIM_H_DONE
} sim_http_e;


static int sim_http_head(sim_http_t *h, sim_buf_t *buf, uint64_t max_body);
static int sim_http_header(sim_http_t *h, const char *line, size_t len);
static int sim_http_chunk_size(const char *line, size_t len,
    uint64_t max_body, uint64_t *size);
static int sim_http_chunks(sim_http_t *h, sim_buf_t *buf,
    uint64_t max_body);
static int sim_http_line(sim_http_t *h, sim_buf_t *buf, char **line,
    size_t *len);
static int sim_http_has(const char *value, size_t len, const char *token);


void
sim_http_request(const sim_option_t *opt, const sim_target_t *t,
    sim_ca_t *ca, uint32_t device, int checkin, const sim_buf_t *body,
    int close, sim_buf_t *out)
{
    size_t  i, n;

    out->len = 0;

    sim_buf_printf(out,
        "PUT %s HTTP/1.1\r\n"
        "Host: %s\r\n"
        "User-Agent: MDM/1.0\r\n"
        "Content-Type: %s\r\n",
        t->path, t->host,
        checkin ? "application/x-apple-aspen-mdm-checkin"
                : "application/x-apple-aspen-mdm; charset=UTF-8");

    if (opt->header_cert != NULL) {
        sim_buf_printf(out, "%s: ", opt->header_cert);
        sim_cert_header(ca, &opt->fleet, device, opt->rfc9440, out);
        sim_buf_str(out, "\r\n");
    }

    if (opt->sign) {
        sim_buf_str(out, "Mdm-Signature: ");
        sim_cert_sign(ca, &opt->fleet, device, opt, body, out);
        sim_buf_str(out, "\r\n");
    }

    if (close) {
        sim_buf_str(out, "Connection: close\r\n");
    }

    if (!opt->chunked) {
        sim_buf_printf(out, "Content-Length: %zu\r\n\r\n", body->len);
        sim_buf_add(out, body->data, body->len);
        return;
    }

    /* chunks of unequal size, the first one very short */

    sim_buf_str(out, "Transfer-Encoding: chunked\r\n\r\n");

    for (i = 0, n = 7; i < body->len; i += n, n = n * 3 + 1) {
        if (n > body->len - i) {
            n = body->len - i;
        }

        sim_buf_printf(out, "%zx\r\n", n);
        sim_buf_add(out, body->data + i, n);
        sim_buf_str(out, "\r\n");
    }

    sim_buf_str(out, "0\r\n\r\n");
}


void
sim_http_reset(sim_http_t *h)
{
    memset(h, 0, sizeof(sim_http_t));
}


int
sim_http_parse(sim_http_t *h, sim_buf_t *buf, uint64_t max_body)
{
    int     rc;
    size_t  left;

    while (h->state == SIM_H_HEAD) {
        rc = sim_http_head(h, buf, max_body);
        if (rc != SIM_OK) {
            return rc;
        }
    }

    switch (h->state) {

    case SIM_H_LENGTH:
        left = buf->len - h->pos;

        if (left < h->rest) {
            return SIM_AGAIN;
        }

        h->body_len = (size_t) h->rest;
        h->pos += (size_t) h->rest;
        h->state = SIM_H_DONE;
        break;

    case SIM_H_CLOSE:
        h->body_len = buf->len - h->body;
        h->pos = buf->len;

        return h->body_len > max_body ? SIM_ERROR : SIM_AGAIN;

    case SIM_H_DONE:
        break;

    default:
        rc = sim_http_chunks(h, buf, max_body);
        if (rc != SIM_OK) {
            return rc;
        }
    }

    /* nothing was asked for that could still come */

    return h->pos == buf->len ? SIM_OK : SIM_ERROR;
}


int
sim_http_eof(sim_http_t *h)
{
    return h->state == SIM_H_CLOSE ? SIM_OK : SIM_ERROR;
}


static int
sim_http_head(sim_http_t *h, sim_buf_t *buf, uint64_t max_body)
{
    char    *start, *end, *line, *eol;
    size_t   from;

    /* "scanned" is where the last search may have missed an end */

    from = h->scanned < h->pos ? h->pos : h->scanned;
    end = memmem(buf->data + from, buf->len - from, "\r\n\r\n", 4);

    if (end == NULL) {
        h->scanned = buf->len < 3 ? 0 : buf->len - 3;
        return buf->len - h->pos > SIM_MAX_HEADER ? SIM_ERROR : SIM_AGAIN;
    }

    start = buf->data + h->pos;

    if ((size_t) (end - start) > SIM_MAX_HEADER
        || memchr(start, '\0', (size_t) (end - start)) != NULL)
    {
        return SIM_ERROR;
    }

    /* "HTTP/1.1 200" */

    if (end - start < 12
        || memcmp(start, "HTTP/1.", 7) != 0
        || (start[7] != '0' && start[7] != '1')
        || start[8] != ' '
        || start[9] < '1' || start[9] > '9'
        || start[10] < '0' || start[10] > '9'
        || start[11] < '0' || start[11] > '9'
        || (end - start > 12 && start[12] != ' ' && start[12] != '\r'))
    {
        return SIM_ERROR;
    }

    h->status = (start[9] - '0') * 100 + (start[10] - '0') * 10
                + (start[11] - '0');
    h->close = (start[7] == '0');
    h->chunked = 0;
    h->has_length = 0;
    h->rest = 0;

    eol = memmem(start, (size_t) (end + 2 - start), "\r\n", 2);

    while (eol != NULL && eol < end) {
        line = eol + 2;
        eol = memmem(line, (size_t) (end + 2 - line), "\r\n", 2);

        if (eol == NULL
            || sim_http_header(h, line, (size_t) (eol - line)) != SIM_OK)
        {
            return SIM_ERROR;
        }
    }

    h->pos = (size_t) (end + 4 - buf->data);
    h->scanned = h->pos;
    h->body = h->pos;
    h->body_len = 0;

    if (h->status < 200) {
        /* 100 Continue and the like; no upgrade was asked for */

        return h->status == 101 || h->pos > SIM_MAX_HEADER ? SIM_ERROR
                                                            : SIM_OK;
    }

    if (h->status == 204 || h->status == 304) {
        h->state = SIM_H_DONE;

    } else if (h->chunked) {
        if (h->has_length) {
            return SIM_ERROR;
        }

        h->state = SIM_H_CHUNK;

    } else if (h->has_length) {
        if (h->rest > max_body) {
            return SIM_ERROR;
        }

        h->state = SIM_H_LENGTH;

    } else {
        h->close = 1;
        h->state = SIM_H_CLOSE;
    }

    return SIM_OK;
}


static int
sim_http_has(const char *value, size_t len, const char *token)
{
    size_t  n;

    n = strlen(token);

    for ( /* void */ ; len >= n; value++, len--) {
        if (strncasecmp(value, token, n) == 0) {
            return 1;
        }
    }

    return 0;
}


static int
sim_http_header(sim_http_t *h, const char *line, size_t len)
{
    size_t       i, n;
    uint64_t     length;
    const char  *colon;

    colon = memchr(line, ':', len);
    if (colon == NULL || colon == line) {
        return SIM_ERROR;
    }

    n = (size_t) (colon - line);
    i = n + 1;

    while (i < len && (line[i] == ' ' || line[i] == '\t')) {
        i++;
    }

    while (len > i && (line[len - 1] == ' ' || line[len - 1] == '\t')) {
        len--;
    }

    if (n == 14 && strncasecmp(line, "Content-Length", n) == 0) {
        if (h->has_length || i == len) {
            return SIM_ERROR;
        }

        for (length = 0; i < len; i++) {
            if (line[i] < '0' || line[i] > '9' || length > UINT32_MAX) {
                return SIM_ERROR;
            }

            length = length * 10 + (uint64_t) (line[i] - '0');
        }

        h->rest = length;
        h->has_length = 1;

    } else if (n == 17 && strncasecmp(line, "Transfer-Encoding", n) == 0) {
        if (len - i != 7 || strncasecmp(line + i, "chunked", 7) != 0
            || h->chunked)
        {
            return SIM_ERROR;
        }

        h->chunked = 1;

    } else if (n == 10 && strncasecmp(line, "Connection", n) == 0) {
        if (sim_http_has(line + i, len - i, "close")) {
            h->close = 1;

        } else if (sim_http_has(line + i, len - i, "keep-alive")) {
            h->close = 0;
        }
    }

    return SIM_OK;
}


/* a line that ends with CRLF */

static int
sim_http_line(sim_http_t *h, sim_buf_t *buf, char **line, size_t *len)
{
    char    *end;
    size_t   left;

    left = buf->len - h->pos;
    *line = buf->data + h->pos;

    end = memmem(*line, left, "\r\n", 2);
    if (end == NULL) {
        return left > 256 ? SIM_ERROR : SIM_AGAIN;
    }

    *len = (size_t) (end - *line);
    if (*len > 256) {
        return SIM_ERROR;
    }

    h->pos += *len + 2;

    return SIM_OK;
}


/* the chunks are moved together, so that the body is in one piece */

static int
sim_http_chunks(sim_http_t *h, sim_buf_t *buf, uint64_t max_body)
{
    int       rc;
    char     *line;
    size_t    len, n;
    uint64_t  size;

    for ( ;; ) {

        switch (h->state) {

        case SIM_H_CHUNK:
            rc = sim_http_line(h, buf, &line, &len);
            if (rc != SIM_OK) {
                return rc;
            }

            if (sim_http_chunk_size(line, len, max_body, &size) != SIM_OK) {
                return SIM_ERROR;
            }

            if (size == 0) {
                h->state = SIM_H_TRAILER;
                break;
            }

            if (h->body_len + size > max_body) {
                return SIM_ERROR;
            }

            h->rest = size;
            h->state = SIM_H_CHUNK_DATA;
            break;

        case SIM_H_CHUNK_DATA:
            n = buf->len - h->pos;
            if (n > h->rest) {
                n = (size_t) h->rest;
            }

            memmove(buf->data + h->body + h->body_len, buf->data + h->pos,
                    n);
            h->pos += n;
            h->body_len += n;
            h->rest -= n;

            if (h->rest != 0) {
                return SIM_AGAIN;
            }

            h->state = SIM_H_CHUNK_END;
            break;

        case SIM_H_CHUNK_END:
            rc = sim_http_line(h, buf, &line, &len);
            if (rc != SIM_OK) {
                return rc;
            }

            if (len != 0) {
                return SIM_ERROR;
            }

            h->state = SIM_H_CHUNK;
            break;

        case SIM_H_TRAILER:
            rc = sim_http_line(h, buf, &line, &len);
            if (rc != SIM_OK) {
                return rc;
            }

            if (len == 0) {
                h->state = SIM_H_DONE;
                return SIM_OK;
            }

            if (h->pos - h->body - h->body_len > max_body) {
                return SIM_ERROR;
            }

            break;

        default:
            return SIM_ERROR;
        }
    }
}


static int
sim_http_chunk_size(const char *line, size_t len, uint64_t max_body,
    uint64_t *size)
{
    int     digit;
    size_t  i;

    for (i = 0, *size = 0; i < len; i++) {
        digit = line[i] >= '0' && line[i] <= '9' ? line[i] - '0'
                : line[i] >= 'a' && line[i] <= 'f' ? line[i] - 'a' + 10
                : line[i] >= 'A' && line[i] <= 'F' ? line[i] - 'A' + 10
                : -1;

        if (digit < 0) {
            break;
        }

        *size = *size * 16 + (uint64_t) digit;
        if (*size > max_body) {
            return SIM_ERROR;
        }
    }

    if (i == 0 || (i < len && line[i] != ';' && line[i] != ' ')) {
        return SIM_ERROR;
    }

    return SIM_OK;
}
