// candle's side of bench/encode.py: the commands of bench_encode.c. RAYON_NUM_THREADS, which candle's
// products read once, has to be the number of threads that is asked for.
//
//     candle-peer MODEL_DIR
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::clip::{div_l2_norm, ClipConfig, ClipModel};
use std::io::{BufRead, Write};
use std::time::Instant;

const SIZE: usize = 224;
const MEAN: [f32; 3] = [0.48145466, 0.4578275, 0.40821073];
const STD: [f32; 3] = [0.26862954, 0.26130258, 0.27577711];

fn read_pictures(path: &str) -> Result<Tensor> {
    let bytes = std::fs::read(path)?;
    let n = bytes.len() / (SIZE * SIZE * 3);
    let device = &Device::Cpu;
    let pixels = Tensor::from_vec(bytes, (n, SIZE, SIZE, 3), device)?.to_dtype(DType::F32)?;
    let normalised = (pixels / 255.)?
        .broadcast_sub(&Tensor::new(&MEAN, device)?)?
        .broadcast_div(&Tensor::new(&STD, device)?)?;
    normalised.permute((0, 3, 1, 2))?.contiguous()
}

fn encode(model: &ClipModel, pictures: &Tensor, batch: usize) -> Result<Tensor> {
    div_l2_norm(&model.get_image_features(&pictures.narrow(0, 0, batch)?)?)
}

fn run(model: &ClipModel, pictures: &Tensor, batch: usize, repeats: usize) -> Result<()> {
    let mut seconds = Vec::new();
    for _ in 0..repeats {
        let start = Instant::now();
        encode(model, pictures, batch)?;
        seconds.push(format!("{:.9}", start.elapsed().as_secs_f64()));
    }
    println!("{}", seconds.join(" "));
    Ok(())
}

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).expect("usage: candle-peer MODEL_DIR");
    let weights = [format!("{directory}/model.safetensors")];
    let variables = unsafe { VarBuilder::from_mmaped_safetensors(&weights, DType::F32, &Device::Cpu)? };
    let model = ClipModel::new(variables, &ClipConfig::vit_base_patch32())?;
    let pictures = read_pictures(&format!("{directory}/pixels.bin"))?;
    println!("ready {}", env!("CARGO_PKG_VERSION"));
    std::io::stdout().flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |i: usize| words[i].parse::<usize>().expect("a number");
        if words[0] == "run" {
            run(&model, &pictures, number(1), number(3))?;
        } else {
            for row in encode(&model, &pictures, number(1))?.to_vec2::<f32>()? {
                let texts: Vec<String> = row.iter().map(|value| value.to_string()).collect();
                println!("{}", texts.join(" "));
            }
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}
