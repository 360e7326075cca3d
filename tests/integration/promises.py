"""Rows, as columns and values, that the table refuses, and rows that it takes."""

REFUSED = [
    {"partner": "aws"}, {"partner": "ALIBABA"}, {"partner": ""}, {"partner": None},
    {"status": "reported"}, {"status": "DONE"}, {"status": ""}, {"status": None},
    {"organization_id": ""}, {"organization_id": None}, {"id": ""}, {"id": None},
    {"meta_info": "[]"}, {"meta_info": "1"}, {"meta_info": '"x"'}, {"meta_info": "null"}, {"meta_info": ""},
    {"meta_info": "{"}, {"meta_info": "{'a':1}"}, {"meta_info": '{"a":"\n"}'}, {"meta_info": '{"a":NaN}'},
    {"meta_info": '{"a":01}'}, {"meta_info": "{} x"},
    {"records": "[]"}, {"records": "{"}, {"records": ""},
    {"meta_info": '{"source":"api"}'}, {"meta_info": '{"source":"OTHER"}'}, {"meta_info": '{"source":"API "}'},
    {"meta_info": '{"source":"METRONOMETRONOME"}'}, {"meta_info": '{"source":1}'},
    {"meta_info": '{"source":{}}'}, {"meta_info": '{"source":["API"]}'}, {"meta_info": '{"source":"%s"}' % ("x" * 600)},
    {"creation_time": None}, {"creation_time": "0000-00-00 00:00:00"}, {"creation_time": "0999-12-31 23:59:59.999"},
    {"creation_time": "2023-02-29 00:00:00"}, {"creation_time": "10000-01-01 00:00:00"}, {"creation_time": ""},
    {"last_update_time": None}, {"last_update_time": "0000-00-00 00:00:00"}, {"last_update_time": ""},
    # What JSON_VALID of MariaDB lets through.
    *[{"meta_info": '{"a":%s}' % value} for value in (
        r'"O\'Brien"', r'"CORP\dave"', r'"\x41"', r'"\0"', r'"\a"', "1.", "1.e5", "1e", "1e+", "-", "-a", "+1", ".5", "1.5.2",
        "1-2", "0x1", "truefalse", "TRUE", "Null", '"\t"', r'"\ud800"', r'"\udc00"', r'"\ud83dx"', r'"\u00g0"', "1,", "[1,]")],
    {"meta_info": r'{"\x":1}'}, {"meta_info": '{"a":1}\f'}, {"meta_info": '{"a":\f1}'}, {"meta_info": '{\v}'}, {"meta_info": "{}\n{}"},
    *[{"records": '{"x":%s}' % value} for value in (
        "1.", "1.e5", "1e+", "-", "01", '"12.5"', "null", "true", '{"y":1}', "[1]", "[]", "1,")],
    {"records": r'{"\x":1}'},
    {"meta_info": '{"source":null}'}, {"meta_info": '{"SkipValidation":"true"}'}, {"meta_info": '{"SkipValidation":null}'},
    {"meta_info": '{"billableRecords":[{"key":"k","quantity":1},{"key":"k","quantity":"3"}]}'},
    {"meta_info": '{"billableRecords":{}}'},
    {"meta_info": '{"source":"API","source":"ORB"}'}, {"meta_info": r'{"source":"API","\u0073ource":"ORB"}'},
    {"meta_info": '{"a":1,"a":2}'}, {"records": '{"x":1,"x":2}'},
    *[{"meta_info": '{"timestamp":%s}' % value} for value in (
        "1", "null", '""', '"2024-09-18 22:00:00"', '"2024-09-18"', '"2024-09-18t22:00:00Z"', '"2024-09-18T22:00:00z"',
        '"2024-09-18T22:00:00"', '"2024-09-18T24:00:00Z"', '"2024-02-30T22:00:00Z"', '"2023-02-29T22:00:00Z"',
        '"0000-01-01T00:00:00Z"', '"2024-09-18T22:00:00.Z"', '"2024-09-18T22:00:00+0200"', '"2024-09-18T22:00:00Z\\n"')],
]
# What one server alone refuses; the loader does so for both.
REFUSED_BY_MARIADB = [{"meta_info": r'{"sourc\u0065":"ORB"}'}]  # MySQL finds the name
REFUSED_BY_MYSQL = [  # MariaDB does not look there
    {"meta_info": '{"a":[{"b":1,"b":2}]}'}, {"records": r'{"a\"":1,"b":2,"b":3}'}, {"records": r'{"a\\":1,"\u0061\\":3}'},
]
ACCEPTED = [
    *[{"meta_info": '{"a":%s}' % value} for value in (
        r'"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude80\u0000"', '"\x7fé🚀"', "-0", "0.5", "-1.50e-7", "1E+5", "[ ]", "[1,[true,null]]", '{"b":{}}')],
    {"meta_info": ' {\n"a"\t:\r1 } '}, {"records": ' { "a" : 1 , "é\\u00e9" : -2.5E-3 } '}, {"records": "{}"}, {"records": None},
    {"records": r'{"a\"":1,":\\":2,"\\\":":3,"b,c":4}'},
    {"meta_info": '{"SkipValidation":true,"billableRecords":[{"key":"k","quantity":-1.5e3},{}],"source":""}'},
    {"meta_info": '{"billableRecords":[]}'}, {"meta_info": '{"nested":{"source":null,"timestamp":1}}'},
    *[{"meta_info": '{"timestamp":"%s"}' % value} for value in (
        "2024-09-18T22:00:00Z", "2024-02-29T23:59:59.123456789+05:30", "2000-02-29T00:00:00-23:59")],
    *[{column: text} for column in ("id", "organization_id", "buyer_id", "entitlement_id", "product_id", "usage_record_report_id")
      for text in ("y" * 255, "🛰" * 255, "힣 is no surrogate")],
]
# What a writer without strict mode has cut or converted by its own wish.
REFUSED_IF_STRICT = [
    {"organization_id": "x" * 256}, {"id": "x" * 256}, {"buyer_id": "x" * 256}, {"entitlement_id": "x" * 256},
    {"product_id": "x" * 256}, {"usage_record_report_id": "x" * 256}, {"source": "API"}, {"serial_id": -1}, {"serial_id": "x"},
]
